"""fastMRI's HDF5 layout: Zbontar et al., 2018, arXiv:1811.08839; and k-space written in it.

`kspace` (slice, ky, kx) or (slice, coil, ky, kx): rows are the readout, oversampled, columns the
phase encoding. Columns outside the header's limits are padding: zeros that were not measured.
"""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from restore_dicom.files.bounded import loaded
from restore_dicom.geometry import LPS, Geometry
from torch import Tensor

from restore.files.task import Record
from restore.measurement.checks import sizes

from ..kspace.along_trajectory import along
from ..kspace.cartesian import cartesian, reconstruction
from .ismrmrd.header import Header, parse
from .numpy_arrays import truth

TARGETS = ("reconstruction_rss", "reconstruction_esc")
OWN = ("convention", "phase_axis", "noise_std", "crop", "shape", "converted")  # attributes
TENSORS = (
    "maps",
    "calibration",
    "averages",
    "trajectory",
)  # beside the mask
CONVENTION = "centred orthonormal"  # our own files say it; fastMRI's have no word for it


def read(file: h5py.File, path: Path) -> Record:
    """An open file with a data set `kspace`.

    meta besides that of every k-space: `target` float32 (1, slice, y, x), the reconstruction that
    the file brings, or None; `attributes`, the file's own; `header`, its XML or None.
    """
    samples = loaded(file["kspace"])
    if samples.ndim == 3 and "trajectory" not in file:
        samples = samples[:, None]
    ours = _text(file.attrs.get("convention", "")) == CONVENTION
    xml = file["ismrmrd_header"][()] if "ismrmrd_header" in file else None
    header = None if xml is None else parse(xml)
    meta = {
        "target": _target(file),
        "attributes": {key: value for key, value in file.attrs.items() if key not in OWN},
        "header": xml,
        **(_own(file) if ours else {"phase_axis": -1}),
    }
    if "trajectory" in meta:
        return _along_trajectory(samples, meta, path)
    if samples.ndim != 4:
        raise ValueError(
            f"its k-space is {sizes(samples.shape)}; (slice, ky, kx) or (slice, coil, ky, kx)"
        )
    said = meta.pop("converted", [])
    if header is not None and not ours:
        recon = header.recon.matrix
        meta["crop"], more = reconstruction(recon[:2], samples.shape)
        said = [*said, *more]
        size = meta["crop"] or samples.shape[-2:]
        meta["geometry"] = _geometry(header, size, len(samples))
    mask = _mask(file, header if not ours else None, samples.shape)
    return cartesian(samples, path, "fastmri", mask=mask, declared=ours, converted=said, **meta)


def write(file: h5py.File, record: Record) -> None:
    """A `kspace` Record, such that read() gives the same again."""
    meta = record.meta
    file["kspace"] = record.signal.detach().cpu().numpy()
    if meta.get("header") is not None:
        file["ismrmrd_header"] = meta["header"]
    for key in ("mask", *TENSORS):
        if meta.get(key) is not None:
            file[key] = meta[key].cpu().numpy()
    if meta.get("geometry") is not None:
        file["affine"] = meta["geometry"].affine
    if meta.get("target") is not None:
        file[TARGETS[0]] = meta["target"][0].cpu().numpy()
    file.attrs.update(meta.get("attributes", {}))
    file.attrs["convention"] = CONVENTION
    file.attrs["phase_axis"] = meta.get("phase_axis", -2)
    if meta.get("noise") is not None:
        file.attrs["noise_std"] = meta["noise"]
    for key in ("crop", "shape"):
        if meta.get(key) is not None:
            file.attrs[key] = meta[key]
    if meta.get("converted"):
        file.attrs["converted"] = list(meta["converted"])


def _own(file: h5py.File) -> dict[str, Any]:
    """The meta that write() put beside the k-space."""
    attrs = file.attrs
    meta: dict[str, Any] = {"phase_axis": int(attrs.get("phase_axis", -1))}
    if "noise_std" in attrs:
        meta["noise"] = float(attrs["noise_std"])
    for key in ("crop", "shape"):
        if key in attrs:
            meta[key] = tuple(int(n) for n in attrs[key])
    if "converted" in attrs:
        meta["converted"] = [_text(said) for said in attrs["converted"]]
    for key in TENSORS:
        if key in file:
            meta[key] = torch.from_numpy(loaded(file[key]))
    if "affine" in file:
        meta["geometry"] = Geometry(file["affine"][()])
    return meta


def _along_trajectory(samples: np.ndarray, meta: dict[str, Any], path: Path) -> Record:
    return along(samples, meta.pop("trajectory"), path, "fastmri", **meta)


def _mask(file: h5py.File, header: Header | None, shape: tuple[int, ...]) -> Tensor | None:
    """Measured columns: of the file's mask, within the header's limits; or the mask of a plane."""
    rows, columns = shape[-2:]
    mask = None
    if "mask" in file:
        mask = torch.from_numpy(truth(loaded(file["mask"])))
        mask = mask.expand(rows, columns) if mask.shape == (columns,) else mask
    limits = None if header is None else header.limits.get(1)
    if limits is not None and header.encoded.matrix[1] == columns:
        left = columns // 2 - limits.center
        inside = torch.zeros(columns, dtype=torch.bool)
        inside[max(0, left) : left + limits.maximum + 1] = True
        mask = inside.expand(rows, columns) if mask is None else mask & inside
    return mask if mask is None else mask.clone()


def _target(file: h5py.File) -> Tensor | None:
    name = next((name for name in TARGETS if name in file), None)
    return None if name is None else torch.from_numpy(loaded(file[name]).astype(np.float32))[None]


def _geometry(header: Header, size: tuple[int, ...], slices: int) -> Geometry | None:
    """Voxel sizes of the header; the file says nothing of the patient's position.

    So slices are placed as axial ones round the origin, rows from front to back.
    """
    pixel = header.encoded.pixel or header.recon.pixel  # the first is ours: nothing is interpolated
    if pixel is None:
        return None
    affine = np.diag([pixel[1], pixel[0], pixel[2], 1.0])
    affine[:3, 3] = -affine[:3, :3] @ [size[1] // 2, size[0] // 2, slices // 2]
    return Geometry(LPS @ affine)


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
