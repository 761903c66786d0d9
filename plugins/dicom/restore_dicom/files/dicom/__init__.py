"""DICOM read: images, series, mosaics, enhanced frames."""
