"""Reconstructed pictures, or their standard deviations, as arrays to write in many formats."""

from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np
import torch
from torch import Tensor

from restore.files.task import Record
from restore.measurement.checks import sizes

WARNING = "restored by a learned prior; for research, not for diagnosis"
NAMES = {"volume": "reconstruction", "std": "reconstruction_std"}


def arrays(record: Record) -> dict[str, np.ndarray]:
    """The arrays of a `volume` or `std` record by name; (slice, y, x) float32, and complex64.

    reconstruction (magnitudes) or reconstruction_std; where its meta has them, also
    reconstruction_complex of `complex` (1, slice, y, x), samples (sample, slice, y, x) of
    `samples`, and reconstruction_std of `std`. ValueError for other kinds and shapes.
    """
    if record.kind not in NAMES:
        raise ValueError(
            f"pictures are written of a volume or its std, this record is of kind {record.kind}"
        )
    signal, meta = record.signal, record.meta
    found = {NAMES[record.kind]: _magnitude(_volume(signal))}
    if record.kind == "volume":
        whole = signal if signal.is_complex() else meta.get("complex")
        if whole is not None:
            found["reconstruction_complex"] = _volume(whole).cpu().numpy().astype(np.complex64)
        if meta.get("std") is not None:
            found["reconstruction_std"] = _magnitude(_volume(meta["std"]))
        if meta.get("samples") is not None:
            found["samples"] = _magnitude(meta["samples"])
    for name, array in found.items():
        if not np.isfinite(array).all():
            raise ValueError(f"{name} holds values that are not finite (NaN or infinity)")
    return found


def single(record: Record) -> np.ndarray:
    """One array for a format that has room for one: the complex picture where there is one."""
    found = arrays(record)
    return found.get("reconstruction_complex", found[NAMES[record.kind]])


def write_hdf5(file: h5py.File, record: Record) -> None:
    """fastMRI's layout of reconstructions; how they were made stands in the attributes."""
    found, meta = arrays(record), record.meta
    for name, array in found.items():
        file[name] = array
    if meta.get("header") is not None:
        file["ismrmrd_header"] = meta["header"]
    attributes: dict[str, Any] = dict(meta.get("attributes", {}))
    attributes |= placed(record)
    attributes |= {f"derivation_{key}": str(v) for key, v in meta.get("derivation", {}).items()}
    attributes["note"] = WARNING
    if "reconstruction" in found:
        attributes["max"] = float(found["reconstruction"].max())
        attributes["norm"] = float(np.linalg.norm(found["reconstruction"]))
    file.attrs.update(attributes)


def placed(record: Record) -> Mapping[str, np.ndarray]:
    """affine (voxel x, y, z -> mm, RAS+) and spacing_mm (z, y, x), where the record has them."""
    geometry = record.meta.get("geometry")
    if geometry is None:
        return {}
    return {"affine": geometry.affine, "spacing_mm": np.array(geometry.spacing)}


def _volume(x: Tensor) -> Tensor:
    """(1, slice, y, x) -> (slice, y, x)."""
    if x.ndim != 4 or len(x) != 1:
        raise ValueError(f"a volume is (1, slice, y, x), got {sizes(x.shape)}")
    return x[0].detach()


def _magnitude(x: Tensor) -> np.ndarray:
    x = x.abs() if x.is_complex() else x
    return x.detach().cpu().to(torch.float32).numpy()
