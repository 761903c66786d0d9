"""HDF5 files: DXchange is read; measurements and results are read and written, as laid out here.

Any other file is read with a YAML file of its stem beside it (see `arrays`), in which `dataset`
names what to read.

A measurement: attributes format = "restore-ct", version = 1, kind = "sinogram" or "counts";
/sinogram or /counts (slice, view, bin) float32; /angles (view,) float64 with units "rad"; where
known /weights of the sinogram's shape, /counts0, a number or an array that broadcasts, and /live,
an array that broadcasts; the group /geometry with attributes beam, pitch, offset, centre,
source_radius, detector_radius, shape, pixel, length, affine (see below); of /: electronic,
mu_water, gain, operator, and converted, a list of sentences as JSON.

A result: the same format, kind = "volume" or "std"; /reconstruction or /reconstruction_std
(z, y, x) float32 with attributes units ("HU", "1/mm"), spacing (z, y, x) in mm, affine (4, 4)
from voxel (x, y, z) to mm where known, and derivation, how it was made, as JSON.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from restore_dicom.files.bounded import loaded
from restore_dicom.files.volume import volume, voxels
from restore_dicom.geometry import Geometry

from restore.atomic import atomic_file
from restore.files.naming import naming
from restore.files.task import Record

from ..scan import KINDS, scan
from .dxchange import is_dxchange, read_dxchange
from .numpy_arrays import beside, described

FORMAT, VERSION = "restore-ct", 1
GEOMETRY = ("beam", "pitch", "offset", "centre", "source_radius", "detector_radius", "shape",
            "pixel", "length")  # fmt: skip
ARRAYS = ("weights", "counts0", "live")
FACTS = ("electronic", "mu_water", "gain", "operator")
DATASETS = {"volume": "reconstruction", "std": "reconstruction_std"}


def read_hdf5(path: str | Path) -> Record:
    """A DXchange file, or what write_hdf5 wrote; which of them, the contents tell.

    ValueError in one line that names the file for what is neither, cut off, or does not fit.
    """
    path = Path(path)
    with naming(path):
        if not h5py.is_hdf5(path):
            raise ValueError("it is no HDF5 file, or its beginning is cut off")
        with h5py.File(path, "r") as file:
            return _record(file, path)


def write_hdf5(record: Record, path: str | Path) -> None:
    """A scan, a volume or its std, as this module lays them out.

    ValueError for other kinds of records.
    """
    path = Path(path)
    if record.kind not in (*KINDS, *DATASETS):
        raise ValueError(f"{path}: HDF5 holds scans and volumes here, got kind '{record.kind}'")
    values = voxels(record, path) if record.kind in DATASETS else record.signal.cpu().numpy()
    with atomic_file(path) as stream, h5py.File(stream, "w") as file:
        file.attrs.update({"format": FORMAT, "version": VERSION, "kind": record.kind})
        if record.kind in DATASETS:
            _write_result(file.create_dataset(DATASETS[record.kind], data=values), record.meta)
        else:
            file.create_dataset(record.kind, data=values.astype(np.float32))
            _write_scan(file, record.meta)


def _record(file: h5py.File, path: Path) -> Record:
    if is_dxchange(file):
        return _from(read_dxchange(file), path)
    if file.attrs.get("format") != FORMAT:
        return _described(file, path)
    if file.attrs.get("version") != VERSION:
        raise ValueError(f"its version is {file.attrs.get('version')}; {VERSION} is read")
    kind = str(file.attrs.get("kind"))
    if kind in DATASETS:
        return _read_result(file, kind, path)
    return _from(_read_scan(file, kind), path)


def _described(file: h5py.File, path: Path) -> Record:
    """A dataset of any file, such as LoDoPaB's, with its geometry in the YAML file beside it."""
    held, facts = ", ".join(sorted(file)) or "nothing", beside(path)
    if facts is None:
        raise ValueError(
            "it is neither DXchange (exchange/data) nor a measurement or result of restore, and "
            f"{path.with_suffix('.yaml').name} does not tell its geometry; it holds {held}"
        )
    name = str(facts.pop("dataset", "data"))
    if not isinstance(file.get(name), h5py.Dataset):
        raise ValueError(f"it has no dataset '{name}'; it holds {held}")
    return described(loaded(file[name]), facts, path, "hdf5")


def _from(record: Record, path: Path) -> Record:
    return Record(record.signal, record.kind, path, record.meta)


def _write_scan(file: h5py.File, meta: Mapping[str, Any]) -> None:
    file.create_dataset("angles", data=np.asarray(meta["angles"], np.float64))
    file["angles"].attrs["units"] = "rad"
    for name in ARRAYS:
        if meta.get(name) is not None:
            file.create_dataset(name, data=np.asarray(meta[name]))
    geometry = file.create_group("geometry")
    if meta.get("geometry") is not None:
        geometry.attrs["affine"] = meta["geometry"].affine
    for holder, names in ((geometry, GEOMETRY), (file, FACTS)):
        known = {name: meta[name] for name in names if meta.get(name) is not None}
        holder.attrs.update(known)
    file.attrs["converted"] = json.dumps(list(meta.get("converted", ())))


def _read_scan(file: h5py.File, kind: str) -> Record:
    for name in (kind, "angles", "geometry"):
        if name not in file:
            raise ValueError(f"the measurement's /{name} is missing")
    geometry = {name: _plain(value) for name, value in file["geometry"].attrs.items()}
    if "affine" in geometry:
        geometry["geometry"] = Geometry(np.asarray(geometry.pop("affine"), np.float64))
    facts = {name: _plain(file.attrs[name]) for name in FACTS if name in file.attrs}
    more = {name: loaded(file[name]) for name in ARRAYS if name in file}
    return scan(
        loaded(file[kind]),
        None,
        kind=kind,
        angles=loaded(file["angles"]),
        format="hdf5",
        converted=json.loads(file.attrs.get("converted", "[]")),
        **geometry,
        **facts,
        **more,
    )


def _write_result(dataset: h5py.Dataset, meta: Mapping[str, Any]) -> None:
    dataset.attrs["units"] = str(meta.get("units", "HU"))
    geometry = meta.get("geometry")
    if geometry is not None:
        dataset.attrs["spacing"] = geometry.spacing
        dataset.attrs["affine"] = geometry.affine
    if meta.get("derivation"):
        dataset.attrs["derivation"] = json.dumps(dict(meta["derivation"]))


def _read_result(file: h5py.File, kind: str, path: Path) -> Record:
    if DATASETS[kind] not in file:
        raise ValueError(f"the result's /{DATASETS[kind]} is missing")
    dataset = file[DATASETS[kind]]
    if dataset.ndim != 3:
        raise ValueError(f"a volume is (z, y, x), got {dataset.ndim} axes")
    attributes = dataset.attrs
    affine = attributes.get("affine")
    more = {}
    if "derivation" in attributes:
        more["derivation"] = json.loads(attributes["derivation"])
    found = volume(
        loaded(dataset),
        path,
        format="hdf5",
        geometry=None if affine is None else Geometry(affine),
        modality="CT",
        units=str(attributes.get("units", "1")),
        **more,
    )
    return Record(found.signal, kind, path, found.meta)


def _plain(value: Any) -> Any:
    """h5py's numbers as Python's."""
    if isinstance(value, np.ndarray):
        return tuple(value.tolist())
    return value.item() if isinstance(value, np.generic) else value
