"""The `kspace` Record: made of a file's samples, checked; and the field of view made smaller."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from restore_dicom.geometry import Geometry
from torch import Tensor

from restore.files.task import Record
from restore.measurement.checks import sizes

from .convention import PLANE, centred
from .samples import checked, crop_field, first_kept, intersection, measured_mask

# what every `kspace` Record has in its meta, and what it means if the file does not say
NOTHING_SAID: Mapping[str, Any] = {
    "mask": None,  # bool (ky, kx) or (slice, ky, kx): what was measured; None: all
    "crop": None,  # (y, x) of the reconstruction; None: the whole field of view
    "maps": None,  # complex (slice or 1, coil, y, x)
    "noise": None,  # std of each real and each imaginary part
    "trajectory": None,  # (samples, 2), (ky, kx) in cycles per field of view
    "phase_axis": -2,  # which axis is phase-encoded, the other the readout; told from the mask
    "geometry": None,  # of the picture of `crop`, voxels (x, y, z)
}


def cartesian(
    samples: np.ndarray | Tensor,
    path: Path,
    form: str,
    *,
    mask: Tensor | None = None,
    declared: bool = False,
    converted: Sequence[str] = (),
    **meta: Any,
) -> Record:
    """(slice, coil, ky, kx) as a Record, converted where it is not centred.

    mask: what the file says was measured; samples that are zero in all coils are not, whatever it
    says. declared: the file states convention and mask, and is believed. ValueError for k-space
    that is empty, real, zero throughout, not finite, or of no known convention.
    """
    samples, converted = checked(samples), list(converted)
    if samples.ndim != 4:
        raise ValueError(f"k-space is (slice, coil, ky, kx), this is {sizes(samples.shape)}")
    fitting = (samples.shape[-2:], (len(samples), *samples.shape[-2:]))
    if mask is not None and mask.shape not in fitting:
        raise ValueError(f"the mask is {sizes(mask.shape)}, the k-space {sizes(samples.shape)}")
    maps = meta.get("maps")
    if maps is not None and (
        maps.ndim != 4 or len(maps) not in (1, len(samples)) or maps.shape[1:] != samples.shape[1:]
    ):
        raise ValueError(
            f"the coil maps are {sizes(maps.shape)}, the k-space {sizes(samples.shape)}"
        )
    if maps is not None and not torch.isfinite(maps).all():
        raise ValueError("the coil maps hold values that are not finite (NaN or infinity)")
    noise = meta.get("noise")
    if noise is not None and not 0 < noise < math.inf:
        raise ValueError(f"the std of its noise is {noise}")
    if not declared:
        samples, mask, said = centred(samples, mask)
        converted += said
    mask = intersection(mask, None if declared else measured_mask(samples))
    facts = {**NOTHING_SAID, "phase_axis": _undersampled(mask), **meta}
    facts |= {"mask": mask, "format": form, "converted": converted}
    return Record(samples, "kspace", path, facts)


def remove_oversampling(record: Record, axis: int, size: int | None = None) -> Record:
    """The record with the middle `size` (None: half) of its field of view along one axis.

    axis: -1 or -2, the readout. White noise keeps its level, the transform being orthonormal.
    Raises ValueError where the axis is not fully sampled: cropping would mix samples with gaps.
    """
    meta = record.meta
    if axis not in PLANE or meta.get("trajectory") is not None:
        raise ValueError(f"oversampling is removed from the rows (-2) or columns (-1), got {axis}")
    n = record.signal.shape[axis]
    size = n // 2 if size is None else size
    if not 1 <= size <= n:
        raise ValueError(f"{size} of {n} {PLANE[axis]}s cannot be kept")
    mask, maps, crop = meta.get("mask"), meta.get("maps"), meta.get("crop")
    if mask is not None and not (mask == mask.narrow(axis, 0, 1)).all():
        raise ValueError(
            f"the {PLANE[axis]}s are not all measured: that is not the readout, or part of it"
        )
    said = f"oversampling was removed: the middle {size} of {n} {PLANE[axis]}s of the picture"
    changed = {
        "mask": None if mask is None else mask.narrow(axis, 0, size),
        "maps": None if maps is None else maps.narrow(axis, first_kept(n, size), size),
        "crop": _limited(crop, axis, size),
        "geometry": _limited_geometry(meta.get("geometry"), axis, crop[axis] if crop else n, size),
        "converted": [*meta.get("converted", ()), said],
    }
    if meta.get("calibration") is not None:
        changed["calibration"] = crop_field(meta["calibration"], axis, size)
    signal = crop_field(record.signal, axis, size)
    return replace(record, signal=signal, meta={**meta, **changed})


def reconstruction(
    wanted: Sequence[int], shape: Sequence[int]
) -> tuple[tuple[int, int] | None, list[str]]:
    """(y, x) of the picture that a header wants, no larger than the data; None: all of it.

    With a sentence where the header wants more than there is. A size of 0 is not stated.
    """
    have = tuple(int(n) for n in shape[-2:])
    size = tuple(min(w, n) if w > 0 else n for w, n in zip(map(int, wanted), have))
    said = []
    if any(w > n for w, n in zip(wanted, have)):
        said.append(
            f"the header's picture, {sizes(wanted)}, is larger than the data, {sizes(have)}: "
            f"it will be {sizes(size)}"
        )
    return (None if size == have else size), said


def _undersampled(mask: Tensor | None) -> int:
    """The axis whose lines are left out: -1 where whole columns are, otherwise -2."""
    if mask is None:
        return -2
    columns = (mask == mask.narrow(-2, 0, 1)).all() and not (mask == mask.narrow(-1, 0, 1)).all()
    return -1 if columns else -2


def _limited(crop: Sequence[int] | None, axis: int, size: int) -> tuple[int, int] | None:
    if crop is None:
        return None
    kept = list(crop)
    kept[axis] = min(kept[axis], size)
    return tuple(kept)


def _limited_geometry(
    geometry: Geometry | None, axis: int, held: int, size: int
) -> Geometry | None:
    if geometry is None or held <= size:
        return geometry
    start = first_kept(held, size)
    return geometry.cropped(**{"y" if axis == -2 else "x": start})
