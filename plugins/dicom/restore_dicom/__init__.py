"""Medical images for restore: DICOM, NIfTI and MHA, read and written whole."""

__version__ = "0.1.0"
