"""DICOM written: derived images, series and parametric maps."""
