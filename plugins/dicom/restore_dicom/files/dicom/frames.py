"""Enhanced multi-frame objects: what the functional groups say of each frame (PS3.3 C.7.6.16)."""

import numpy as np
from pydicom import Dataset

from ...geometry import Plane

SHARED, PER_FRAME = "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"


def is_enhanced(header: Dataset) -> bool:
    return bool(header.get(SHARED) or header.get(PER_FRAME))


def group(header: Dataset, frame: int, name: str) -> Dataset:
    """The first item of a functional group, the frame's own or the shared; empty if neither."""
    per_frame, shared = header.get(PER_FRAME) or [], header.get(SHARED) or []
    for holder in (*per_frame[frame : frame + 1], *shared[:1]):
        if holder.get(name):
            return holder[name].value[0]
    return Dataset()


def plane(header: Dataset, frame: int) -> Plane | None:
    """The plane that a frame lies in; None where the object does not say."""
    position = group(header, frame, "PlanePositionSequence").get("ImagePositionPatient")
    turn = group(header, frame, "PlaneOrientationSequence").get("ImageOrientationPatient")
    spacing = group(header, frame, "PixelMeasuresSequence").get("PixelSpacing")
    return as_plane(position, turn, spacing)


def as_plane(position: object, orientation: object, spacing: object) -> Plane | None:
    """The plane that three attributes describe; None where one is missing or empty.

    ValueError for attributes that are broken.
    """
    if not (position and orientation and spacing):
        return None
    numbers = (np.array([float(v) for v in values]) for values in (position, orientation, spacing))
    position, orientation, spacing = numbers
    if position.shape != (3,) or spacing.shape != (2,) or not (spacing > 0).all():
        raise ValueError("its ImagePositionPatient or PixelSpacing is broken")
    return Plane(position, orientation, (float(spacing[0]), float(spacing[1])))
