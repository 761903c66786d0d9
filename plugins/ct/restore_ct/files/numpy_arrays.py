"""NPY and NPZ arrays with their geometry: in a YAML file of the same stem, or in the NPZ itself.

```yaml
kind: sinogram            # or counts; for results volume or std
axes: [slice, view, bin]  # in what order; of two axes the default is [view, bin]
angles: {start: 0, stop: 180, count: 60, endpoint: false, unit: degrees}
beam: parallel            # or fan-flat, fan-curved, with source_radius and detector_radius
pitch: 0.8                # from bin to bin; lengths are in mm, or in the unit that `length` names
offset: 0                 # of the detector's middle from the axis of rotation
shape: [256, 256]         # of the picture to reconstruct
pixel: 0.8
counts0: 1e5              # photons that set out on each ray
electronic: 10            # std of the read-out, in photons
```

Angles may also be listed: {values: [0, 3, 6], unit: degrees}. An NPZ file has the array `sinogram`
or `counts`, and any of these names as arrays, `angles` with `angles_unit`; `weights` too.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from restore_dicom.files.volume import volume, voxels
from restore_dicom.geometry import Geometry

from restore.atomic import atomic_file
from restore.files.naming import naming
from restore.files.task import Record
from restore.measurement.checks import sizes
from restore.plugins.registry import unknown
from restore.untrusted.arrays import Archive, read_array
from restore.untrusted.plain_yaml import parsed_yaml

from ..scan import KINDS, scan, unit_of_angles

AXES = ("slice", "view", "bin")
NUMBERS = ("pitch", "offset", "centre", "source_radius", "detector_radius", "pixel", "counts0",
           "electronic", "mu_water")  # fmt: skip
WORDS = ("kind", "beam", "length", "operator", "units", "derivation")
KNOWN = (*WORDS, *NUMBERS, "axes", "angles", "angles_unit", "shape", "weights", "live", "affine")
RESULTS = ("volume", "std")
VIEWS = 1_000_000  # at most
LONGEST = 4 << 20  # bytes of a YAML file: the angles of every view may be listed


def read_npy(path: str | Path) -> Record:
    """One array, its geometry in the YAML file beside it: scan.npy and scan.yaml.

    ValueError in one line that names the file where that is missing, or does not fit.
    """
    path = Path(path)
    with naming(path):
        array = read_array(path)
        facts = beside(path)
        if facts is None:
            raise ValueError(
                "the geometry is missing: put angles, beam and pitch into "
                f"{path.with_suffix('.yaml').name} beside it"
            )
        return described(array, facts, path, "npy")


def read_npz(path: str | Path) -> Record:
    """An archive with the array `sinogram` or `counts`; its geometry inside, or in a YAML file."""
    path = Path(path)
    with naming(path):
        arrays = Archive(path)
        kinds = [name for name in (*KINDS, *RESULTS) if name in arrays]
        if len(kinds) != 1:
            raise ValueError(
                f"it must hold one array of the name {' or '.join(KINDS)}; it holds "
                f"{', '.join(arrays) or 'nothing'}"
            )
        facts = beside(path) or {}
        twice = [name for name in arrays if name in facts]
        if twice:
            raise ValueError(f"{', '.join(twice)} stands both in it and in its YAML file")
        strangers = [name for name in arrays if name not in (*KNOWN, kinds[0])]
        if strangers:
            raise ValueError(unknown("key of a geometry", strangers[0], KNOWN))
        signal = arrays[kinds[0]]
        inside = {name: _plain(arrays[name]) for name in arrays if name != kinds[0]}
        return described(signal, {"kind": kinds[0], **facts, **inside}, path, "npz")


def write_npy(record: Record, path: str | Path) -> None:
    """The signal without its channel, and the YAML file beside it that read_npy wants."""
    path = Path(path)
    array, facts = _parts(record, path)
    for name in ("weights", "live"):
        if name in facts:
            raise ValueError(f"{path}: NPY has no room for the {name}; write .npz or .h5")
    text = yaml.safe_dump({name: _listed(value) for name, value in facts.items()}, sort_keys=False)
    with atomic_file(path) as file, atomic_file(path.with_suffix(".yaml")) as other:
        np.save(file, array)
        other.write(text.encode())


def write_npz(record: Record, path: str | Path) -> None:
    """One archive with the signal and its geometry."""
    path = Path(path)
    array, facts = _parts(record, path)
    kind = facts.pop("kind")
    if "angles" in facts:
        angles = facts.pop("angles")
        facts |= {"angles": angles["values"], "angles_unit": angles["unit"]}
    with atomic_file(path) as file:
        np.savez(file, **{kind: array, **{name: np.asarray(v) for name, v in facts.items()}})


def described(array: np.ndarray, facts: Mapping[str, Any], path: Path, format: str) -> Record:
    """An array with the geometry that YAML told; ValueError for what does not fit."""
    for name in facts:
        if name not in KNOWN:
            raise ValueError(unknown("key of a geometry", str(name), KNOWN))
    facts = dict(facts)
    kind = str(facts.pop("kind", "sinogram"))
    if kind in RESULTS:
        return _result(array, kind, facts, path, format)
    if kind not in KINDS:
        raise ValueError(f"kind is one of {', '.join((*KINDS, *RESULTS))}, got '{kind}'")
    angles = _angles(facts.pop("angles", None), facts.pop("angles_unit", None))
    array = _ordered(array, facts.pop("axes", None))
    facts |= _place(facts)
    return scan(array, path, kind=kind, angles=angles, format=format, **facts)


def _result(
    array: np.ndarray, kind: str, facts: Mapping[str, Any], path: Path, format: str
) -> Record:
    if array.ndim != 3:
        raise ValueError(f"a {kind} is (z, y, x), got {sizes(array.shape)}")
    place = {"geometry": None} | _place(dict(facts))
    if "derivation" in facts:
        place["derivation"] = json.loads(facts["derivation"])
    units = str(facts.get("units", "1"))
    found = volume(array, path, format=format, modality="CT", units=units, **place)
    return Record(found.signal, kind, path, found.meta)


def _place(facts: dict[str, Any]) -> dict[str, Geometry]:
    """The affine, taken out of the facts, as a geometry."""
    affine = facts.pop("affine", None)
    return {} if affine is None else {"geometry": Geometry(np.asarray(affine, np.float64))}


def beside(path: Path) -> dict[str, Any] | None:
    """The names and values in the YAML file of the same stem; None where there is no such file.

    ValueError for a file that is no YAML, or holds anything else.
    """
    for suffix in (".yaml", ".yml"):
        other = path.with_suffix(suffix)
        if other.is_file():
            if other.stat().st_size > LONGEST:
                raise ValueError(f"{other.name} beside it has more than {LONGEST} bytes")
            try:
                facts = parsed_yaml(other.read_text("utf-8"), other)
            except ValueError as error:
                raise ValueError(f"{other.name} beside it is no YAML: {error}") from None
            if not isinstance(facts, dict):
                raise ValueError(f"{other.name} beside it must hold names and values")
            return facts
    return None


def _angles(given: Any, unit: Any) -> np.ndarray | None:
    """Radians, of a list with its unit, or of start, stop and count."""
    if given is None:
        return None
    if not isinstance(given, Mapping):
        return np.asarray(given, np.float64) * unit_of_angles(unit)
    given = {"unit": unit, **given}
    for name in given:
        if name not in ("values", "start", "stop", "count", "endpoint", "unit"):
            raise ValueError(unknown("key of the angles", str(name), ("values", "start", "stop",
                                     "count", "endpoint", "unit")))  # fmt: skip
    scale = unit_of_angles(given["unit"])
    if "values" in given:
        return np.asarray(given["values"], np.float64) * scale
    missing = [name for name in ("start", "stop", "count") if name not in given]
    if missing:
        raise ValueError(
            f"the angles want values, or start, stop and count; {missing[0]} is missing"
        )
    count = given["count"]
    if not isinstance(count, int) or not 1 <= count <= VIEWS:
        raise ValueError(f"the count of the angles is a whole number of 1 to {VIEWS}, got {count}")
    ends = float(given["start"]), float(given["stop"])
    return scale * np.linspace(*ends, count, endpoint=bool(given.get("endpoint", False)))


def _ordered(array: np.ndarray, axes: Any) -> np.ndarray:
    """(slice, view, bin), from the order that the geometry names."""
    if isinstance(axes, str):
        axes = axes.replace(",", " ").split()
    if axes is None:
        axes = AXES[-array.ndim :] if array.ndim in (2, 3) else ()
    axes = [str(axis) for axis in axes]
    if (
        len(axes) != array.ndim
        or set(axes) - {"slice"} != {"view", "bin"}
        or len(set(axes)) < len(axes)
    ):
        raise ValueError(
            f"axes must name the {array.ndim} axes of {sizes(array.shape)}: view, bin and, of "
            f"three, slice; got {', '.join(axes) or 'none'}"
        )
    if "slice" not in axes:
        array, axes = array[None], ["slice", *axes]
    return np.transpose(array, [axes.index(axis) for axis in AXES])


def _parts(record: Record, path: Path) -> tuple[np.ndarray, dict[str, Any]]:
    """The array and what is known of its geometry, as read_npz takes it."""
    meta = record.meta
    geometry = meta.get("geometry")
    place = {} if geometry is None else {"affine": geometry.affine}
    if record.kind in RESULTS:
        facts = {"kind": record.kind, "units": str(meta.get("units", "HU"))}
        if meta.get("derivation"):
            facts["derivation"] = json.dumps(dict(meta["derivation"]))
        return voxels(record, path), facts | place
    if record.kind not in KINDS:
        raise ValueError(
            f"{path}: {path.suffix} holds scans and volumes here, got kind '{record.kind}'"
        )
    names = (*NUMBERS, "beam", "length", "operator", "shape", "weights", "live")
    facts = {name: meta[name] for name in names if meta.get(name) is not None}
    angles = {"values": np.asarray(meta["angles"], np.float64), "unit": "radians"}
    return record.signal.cpu().numpy(), {"kind": record.kind, "angles": angles, **facts, **place}


def _plain(value: np.ndarray) -> Any:
    """A number or a word out of an array without axes."""
    return value.item() if value.ndim == 0 else value


def _listed(value: Any) -> Any:
    """A value as YAML writes it: arrays as lists."""
    if isinstance(value, Mapping):
        return {name: _listed(inner) for name, inner in value.items()}
    return np.asarray(value).tolist() if np.ndim(value) else value
