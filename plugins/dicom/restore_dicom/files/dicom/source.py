"""What a DICOM volume was read from, slice by slice: all that its writer needs to keep."""

from dataclasses import dataclass

import numpy as np
from pydicom import Dataset

from ...geometry import Plane
from .pixels import Encoding, padding

SINGLE, SERIES, FRAMES, MOSAIC = "single", "series", "frames", "mosaic"


@dataclass(frozen=True)
class Slice:
    """One slice of a volume as it stands in its file."""

    name: str  # of its file, or "frame 3"
    header: Dataset  # without pixels; frames and tiles of one object share it
    stored: np.ndarray  # (y, x), integers
    encoding: Encoding
    plane: Plane | None  # where it lies, if known
    frame: int = 0  # its number in the object, from 0, where the object holds several

    @property
    def padded(self) -> np.ndarray:
        """(y, x): True where there is no picture, only padding."""
        return padding(self.header, self.stored)


@dataclass(frozen=True)
class Source:
    """The slices in the order of the signal's z axis."""

    layout: str  # SINGLE; SERIES, a file each; FRAMES of one object; MOSAIC, tiles of one picture
    slices: tuple[Slice, ...]
