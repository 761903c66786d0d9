"""Masks as people make them: which pixels of a picture are missing."""

import warnings
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from restore.errors import RestoreWarning
from restore.files.naming import naming
from restore.untrusted.arrays import read_array

from ..files import formats

LOSSY = {".jpg", ".jpeg", ".webp"}
TOLERANCE, LOSSY_TOLERANCE = 0.01, 0.25  # of a mask's range: what still counts as its lowest value

SCATTERED = 2.0  # pixels on average from a missing pixel to a measured one


def measured_mask(path: Path, size: tuple[int, int]) -> Tensor:
    """1 where the mask in a picture is at its lowest value, 0 where it is above: missing.

    (1, height, width), for a picture of `size` (height, width). Two values may be any, 0 and 1
    among them; of soft edges every pixel that is not wholly measured is missing. A mask whose
    opacity varies is read by that, opaque where pixels are missing; a coloured one by its
    brightest colour. ValueError for another size, for one value everywhere, and for a picture
    whose colours all are alike in brightness.
    """
    path = Path(path)
    plane = _plane(path)
    if plane.shape != size:
        found, wanted = (f"{height}x{width}" for height, width in (plane.shape, size))
        raise ValueError(f"the mask {path} is {found}, the picture {wanted}: give one of its size")
    low, high = plane.min(), plane.max()
    if low == high:
        kind = "white: nothing of the picture is left" if high > 0 else "black: nothing is missing"
        raise ValueError(f"the mask {path} is all {kind}")
    tolerance = LOSSY_TOLERANCE if path.suffix.lower() in LOSSY else TOLERANCE
    return torch.from_numpy(plane <= low + tolerance * (high - low)).float()[None]


def kind_of_mask(mask: Tensor) -> str:
    """scattered, where missing pixels lie next to measured ones, or holes.

    mask: (1, height, width), 1 where measured. Scattered ones are SCATTERED pixels away from a
    measured one at most on average, rows, columns and diagonals alike.
    """
    seen = mask[None]
    missing = distance = 1 - seen
    while 0 < seen.sum() < seen.numel():
        seen = torch.nn.functional.max_pool2d(seen, 3, 1, 1)
        distance = distance + (1 - seen)
    mean = distance.sum() / missing.sum().clamp(min=1)
    return "scattered" if mean <= SCATTERED else "holes"


def _plane(path: Path) -> np.ndarray:
    """The values that a mask's pixels differ in; (height, width), float64."""
    if path.suffix.lower() == ".npy":
        return _array(path)
    record = formats.read(path)
    alpha = record.meta.get("alpha")
    if alpha is not None and alpha.min() < alpha.max():
        words = "is read by its opacity: opaque is missing"
        warnings.warn(f"the mask {path} {words}", RestoreWarning, stacklevel=3)
        return alpha.astype(np.float64)
    return record.signal.amax(0).double().numpy()


def _array(path: Path) -> np.ndarray:
    """The brightest channel of an array of any numbers or truth values."""
    with naming(path):
        values = read_array(path)
        if values.dtype.kind not in "buif":
            raise ValueError("a mask is one array of numbers, (height, width)")
        values = values.astype(np.float64)
        if not np.isfinite(values).all():
            raise ValueError("it holds values that are not finite (NaN or infinity)")
        values = values[0] if values.ndim == 3 and len(values) == 1 else values
        values = values.max(-1) if values.ndim == 3 and values.shape[-1] <= 4 else values
        if values.ndim != 2 or not values.size:
            raise ValueError(f"a mask is (height, width), got {values.shape}")
    return values
