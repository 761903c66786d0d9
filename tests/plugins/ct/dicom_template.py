"""A CT slice on file that answers may be written after."""

import numpy as np
import pydicom
import pydicom.data
from pydicom import Dataset


def ct_slice(path, shape, spacing) -> Dataset:
    """pydicom's own CT slice, black, of another size."""
    made = pydicom.dcmread(pydicom.data.get_testdata_file("CT_small.dcm", download=False))
    made.Rows, made.Columns = shape
    made.PixelSpacing = [str(spacing)] * 2
    made.PixelData = np.zeros(shape, np.int16).tobytes()
    made.save_as(path)
    return made
