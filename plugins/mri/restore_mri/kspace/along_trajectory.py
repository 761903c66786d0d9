"""The `kspace` Record of samples along a trajectory: spokes, spirals."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from restore.files.task import Record
from restore.measurement.checks import sizes
from restore.untrusted.bounds import refuse_sparse

from .cartesian import NOTHING_SAID
from .samples import checked

ROUNDING = 1e-3  # float32 coordinates may reach so far beyond the edge


def along(
    samples: np.ndarray | Tensor,
    trajectory: np.ndarray | Tensor,
    path: Path,
    form: str,
    *,
    shape: tuple[int, int],
    **meta: Any,
) -> Record:
    """(slice, coil, sample) at (sample, 2) places as a Record.

    trajectory: (ky, kx) in cycles per field of view, -n/2 to n/2 of `shape`, the (y, x) of the
    picture that fills the field of view; it stands in meta["shape"].
    """
    samples, trajectory = checked(samples), torch.as_tensor(trajectory, dtype=torch.float32)
    if samples.ndim != 3 or trajectory.shape != (samples.shape[-1], 2):
        raise ValueError(
            "samples along a trajectory are (slice, coil, sample) with (sample, 2) places, got "
            f"{sizes(samples.shape)} with {sizes(trajectory.shape)}"
        )
    refuse_sparse(math.prod(shape), trajectory.shape[0], "its picture")
    if not torch.isfinite(trajectory).all():
        raise ValueError("its trajectory holds values that are not finite (NaN or infinity)")
    facts = {**NOTHING_SAID, "converted": [], **meta}
    facts |= {"trajectory": trajectory, "shape": tuple(shape), "format": form}
    return Record(samples, "kspace", path, facts)


def in_cycles(trajectory: np.ndarray, matrix: tuple[int, int]) -> tuple[np.ndarray, str]:
    """Places as (kx, ky) in the file's unit -> (ky, kx) in cycles per field of view; what it was.

    matrix: (x, y). ISMRMRD leaves the unit open: either the edge of k-space is 0.5 (cycles per
    pixel) or n/2 (cycles per field of view). ValueError for anything beyond, and for three axes.
    """
    if trajectory.shape[-1] != 2:
        raise ValueError(
            f"its trajectory has {trajectory.shape[-1]} axes; two are read, slice by slice"
        )
    reach, edge = np.abs(trajectory).max(0), np.array(matrix) / 2
    if (reach <= 0.5 + ROUNDING).all():
        said = "the trajectory was in cycles per pixel; it is in cycles per field of view"
        return np.clip(trajectory * matrix, -edge, edge)[:, ::-1].copy(), said
    if (reach <= edge * (1 + ROUNDING)).all():
        return np.clip(trajectory, -edge, edge)[:, ::-1].copy(), "the trajectory was (kx, ky)"
    raise ValueError(
        f"its trajectory reaches {reach.max():g}, but the edge of k-space is 0.5 or "
        f"{edge.max():g}: an unknown unit"
    )
