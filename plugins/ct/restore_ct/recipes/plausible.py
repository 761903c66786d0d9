"""What a scan looks like, where that is not what it is called: counts, transmissions, other angles.

Rays beside the object pass through air: of all line integrals theirs are the least, of all counts
and transmissions the greatest.
"""

import math
import warnings

from torch import Tensor

from restore.errors import RestoreWarning
from restore.files.task import Record

EDGE = 2  # bins at either end of the detector
BRIGHTER = 0.25  # of the range of values: by how much the edges exceed the middle of counts
NOTHING_ARRIVES = 30.0  # a line integral of which e^-30 of the photons arrive: none
NARROW, TURNS = 20.0, 4.0  # degrees; times round: arcs that angles in another unit make
SEVERAL = 5  # views


def refuse_other_values(record: Record) -> None:
    """ValueError for a sinogram whose values are counts, or shares of the light that arrived."""
    if record.kind != "sinogram" or record.signal.shape[-1] < 8 * EDGE:
        return
    low, high = record.signal.min().item(), record.signal.max().item()
    if not high > low or low < -BRIGHTER * (high - low):
        return
    left, middle, right = (part.median().item() for part in _parts(record.signal))
    if min(left, right) - middle < BRIGHTER * (high - low):
        return
    called = f"{record.source} is called a sinogram, yet its rays at the edges are the greatest"
    if high > NOTHING_ARRIVES:
        raise ValueError(
            f"{called}, {min(left, right):.4g} beside {middle:.4g}: these look like counts. Say "
            "kind: counts and counts0: the photons that set out"
        )
    raise ValueError(
        f"{called}, {min(left, right):.3g} beside {middle:.3g}: these look like the share of the "
        "light that arrived. Give line integrals, the -log of it"
    )


def arc(record: Record) -> str:
    """The arc that the views cover, in words; warns of one that another unit would explain."""
    angles = record.meta["angles"]
    views = len(angles)
    degrees = math.degrees((angles.max() - angles.min()).item())
    said = f"{views} views over {degrees:.4g} degrees"
    if views >= SEVERAL and degrees < NARROW:
        _warn(f"{record.source}: {said}: are the angles in radians?")
    elif degrees > 360 * TURNS:
        _warn(f"{record.source}: {said}: are the angles in degrees, and called radians?")
    return said


def _parts(sinogram: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The bins at the left edge, in the middle half, and at the right edge."""
    quarter = sinogram.shape[-1] // 4
    return sinogram[..., :EDGE], sinogram[..., quarter:-quarter], sinogram[..., -EDGE:]


def _warn(words: str) -> None:
    warnings.warn(words, RestoreWarning, stacklevel=3)
