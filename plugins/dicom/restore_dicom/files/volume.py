"""Between the voxels of a file and a record of kind volume."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from restore.files.task import Record

from ..geometry import Geometry

BRIGHT, MOST = 99, 1_000_000  # the percentile that brightness is told by; voxels it is taken of


def volume(
    values: np.ndarray, path: Path, *, format: str, geometry: Geometry | None, **meta: Any
) -> Record:
    """A record of kind volume; values: (z, y, x). ValueError where some are not finite."""
    if not values.size:
        raise ValueError(f"it holds no voxels: {'x'.join(map(str, values.shape))}")
    signal = torch.from_numpy(np.ascontiguousarray(values, np.float32))[None]
    broken = sum(int((~torch.isfinite(plane)).sum()) for plane in signal[0])  # one by one: memory
    if broken:
        raise ValueError(f"{broken} of its values are not finite (NaN or infinity)")
    meta = {"modality": None, "units": "1", **meta}
    return Record(signal, "volume", path, {"format": format, "geometry": geometry, **meta})


def bright(values: np.ndarray) -> float:
    """The 99th percentile of magnitudes."""
    flat = np.abs(np.ravel(values))
    return float(np.percentile(flat[:: 1 + flat.size // MOST], BRIGHT))


def no_geometry(record: Record) -> str:
    """That a volume has no geometry, and why."""
    why = record.meta.get("misplaced")
    return "the volume has no geometry" + (f" ({why})" if why else "")


def valid_voxels(record: Record) -> Tensor:
    """Where a volume holds values, bool of its signal's shape; False where it holds padding."""
    valid = record.meta.get("valid")
    return torch.ones((), dtype=torch.bool).expand(record.signal.shape) if valid is None else valid


def valid_values(record: Record) -> Tensor:
    """The values of a volume that are no padding, flat."""
    if record.meta.get("valid") is None:
        return record.signal.flatten()
    pairs = zip(record.signal[0], valid_voxels(record)[0])
    return torch.cat([plane[valid] for plane, valid in pairs])  # one by one: memory


def voxels(record: Record, path: Path) -> np.ndarray:
    """The values of a volume to be written, (z, y, x) float32; of a complex one the magnitudes.

    ValueError for a record that is no volume, or holds values that are not finite.
    """
    shape = "x".join(map(str, record.signal.shape))
    if record.signal.ndim != 4 or len(record.signal) != 1:
        raise ValueError(f"{path}: a volume is (1, z, y, x), got {shape}")
    signal = record.signal[0].detach().cpu()
    values = (signal.abs() if signal.is_complex() else signal).to(torch.float32).numpy()
    if not np.isfinite(values).all():
        raise ValueError(f"{path}: the volume holds values that are not finite (NaN or infinity)")
    return values
