"""ISMRMRD: readouts in the order of the scan, with a header in XML."""
