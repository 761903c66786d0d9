"""DICOM-CT-PD: a folder with one file of projections for each view (Chen et al., Med Phys 2015).

The geometry stands in private groups (Moen et al., Med Phys 2021, table 4). Axial scans are read,
with a flat or a cylindrical detector, as a fan beam: of many rows those that a fan describes.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError
from restore_dicom.files.dicom.pixels import decoded

from restore.files.naming import naming
from restore.files.task import Record

from .. import physics
from ..scan import CURVED, FLAT, scan

PRIVATE = {  # name -> tag, and numpy's code where the value may stand undecoded in the file
    "rows": (0x70291010, "<u2"),
    "columns": (0x70291011, "<u2"),
    "transverse": (0x70291002, "<f4"),  # mm from column to column, on the detector
    "axial": (0x70291006, "<f4"),  # mm from row to row
    "detector": (0x7029100B, "S"),
    "angle": (0x70311001, "<f4"),  # phi, radians, of the detector's focal centre
    "height": (0x70311002, "<f4"),  # z, mm
    "source_radius": (0x70311003, "<f4"),  # rho, mm
    "distance": (0x70311031, "<f4"),  # source to detector, mm
    "central": (0x70311033, "<f4"),  # (column, row) of the central ray, counted from 1
    "shift_angle": (0x7033100B, "<f4"),
    "shift_height": (0x7033100C, "<f4"),
    "shift_radius": (0x7033100D, "<f4"),
    "flying": (0x7033100E, "S"),
    "photons": (0x70331065, "<f4"),  # of each column, without an object
    "type": (0x70371009, "S"),
    "mu_water": (0x70411001, "S"),
}
SAME = ("rows", "columns", "transverse", "axial", "detector", "source_radius", "distance",
        "central", "flying", "type")  # fmt: skip
DETECTORS = {"CYLINDRICAL": CURVED, "FLAT": FLAT}
NEARLY = 1e-4  # of a radian or a mm: what single precision leaves of equal numbers


def read_projections(folder: str | Path) -> Record:
    """Line integrals (slice, view, bin) of an axial scan; slices are the detector's rows.

    counts0 and with it the weights, where the files tell the photons of each column. ValueError in
    one line that names the folder for other files, several series, helical scans, a flying focal
    spot, a missing rescale, and geometries that change from view to view.
    """
    folder = Path(folder)
    with naming(folder):
        views = _views(folder)
        facts = [_facts(view) for view in views]
        _refuse_others(views, facts)
        first = facts[0]
        _refuse_motion(facts)
        values, rows, said = _rows_in_plane(_values(views, first), first)
        angles, said_of_angles = _angles(facts)
        photons = _photons(facts)
        if photons is not None:
            said.append("the photons told for each column are taken for those that set out")
        record = scan(
            values,
            folder,
            angles=angles,
            beam=DETECTORS[first["detector"]],
            pitch=first["transverse"],
            # columns are counted from 1: the middle of them is (columns + 1) / 2
            offset=((first["columns"] + 1) / 2 - first["central"][0]) * first["transverse"],
            centre=0.0,
            source_radius=first["source_radius"],
            detector_radius=first["distance"] - first["source_radius"],
            counts0=photons,
            electronic=None,
            mu_water=_water(first),
            rows=rows,
            format="dicom-ct-pd",
            converted=[*said_of_angles, *said],
        )
    if photons is None:
        return record
    counts = physics.transmitted(record.signal, record.meta["counts0"])
    weights = physics.weights(counts)
    return Record(record.signal, record.kind, folder, {**record.meta, "weights": weights})


def _views(folder: Path) -> list[Dataset]:
    """The projections in the order of their instance numbers."""
    found = []
    for path in sorted(folder.iterdir()):
        if path.is_file() and not path.name.startswith("."):
            try:
                found.append(dcmread(path))
            except InvalidDicomError:
                continue
    if not found:
        raise ValueError("the folder holds no DICOM file")
    for view in found:
        if PRIVATE["columns"][0] not in view or "PixelData" not in view:
            raise ValueError(
                f"{Path(view.filename).name} is no DICOM-CT-PD projection: the detector's "
                "geometry (group 7029) or the pixels are missing"
            )
    numbers = [view.get("InstanceNumber") for view in found]
    if None in numbers or len(set(numbers)) < len(numbers):
        raise ValueError("the instance numbers that order the projections are missing or repeated")
    return sorted(found, key=lambda view: int(view.InstanceNumber))


def _facts(view: Dataset) -> dict[str, Any]:
    """The private values; numbers as float or int, several as a tuple, None where missing."""
    return {name: _value(view, *place) for name, place in PRIVATE.items()}


def _value(view: Dataset, tag: int, code: str) -> Any:
    if tag not in view or view[tag].value is None:
        return None
    value = view[tag].value
    if code == "S":
        return (value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)).strip(
            " \0"
        )
    if isinstance(value, bytes):
        value = np.frombuffer(value, code).tolist()
    numbers = tuple(np.atleast_1d(np.asarray(value, np.float64)).tolist())
    if len(numbers) > 1:
        return numbers
    return (int(numbers[0]) if code == "<u2" else numbers[0]) if numbers else None


def _refuse_others(views: Sequence[Dataset], facts: Sequence[Mapping[str, Any]]) -> None:
    series = {str(view.get("SeriesInstanceUID")) for view in views}
    if len(series) > 1:
        raise ValueError(f"the folder mixes {len(series)} series; give them one by one")
    first = facts[0]
    for name in (*SAME, "angle", "height"):
        if first[name] is None and name not in ("flying", "type"):
            tag = PRIVATE[name][0]
            raise ValueError(f"the private value ({tag >> 16:04x},{tag & 0xFFFF:04x}) is missing")
    for view, fact in zip(views, facts):
        if "RescaleSlope" not in view or "RescaleIntercept" not in view:
            raise ValueError(
                f"{Path(view.filename).name} has no rescale slope and intercept: its numbers are "
                "no line integrals"
            )
        changed = [name for name in SAME if not _alike(fact[name], first[name])]
        if changed:
            raise ValueError(
                f"{changed[0]} changes from view to view: {first[changed[0]]} and "
                f"{fact[changed[0]]} in {Path(view.filename).name}"
            )
    if first["detector"] not in DETECTORS:
        raise ValueError(
            f"the detector is {first['detector']}; {' and '.join(DETECTORS)} ones are read"
        )


def _refuse_motion(facts: Sequence[Mapping[str, Any]]) -> None:
    """A table or a focal spot that moves: a fan in one plane is neither."""
    first = facts[0]
    heights = [fact["height"] for fact in facts]
    travel = max(heights) - min(heights)
    row = first["axial"] * first["source_radius"] / first["distance"]
    if first["type"] == "HELICAL" or travel > 0.5 * row:
        raise ValueError(
            f"the scan is helical: the table moves {travel:.1f} mm while the source turns, so that "
            "no slice is seen from all sides in its own plane; rebin it to a fan beam first"
        )
    shifts = max(abs(fact[name] or 0) for fact in facts
                 for name in ("shift_angle", "shift_height", "shift_radius"))  # fmt: skip
    if first["flying"] not in (None, "FFSNONE") or shifts > NEARLY:
        raise ValueError(
            f"the focal spot flies ({first['flying'] or f'shifts up to {shifts:g}'}): the source "
            "is not opposite the detector's middle; only scans with a fixed one (FFSNONE) are read"
        )


def _values(views: Sequence[Dataset], first: Mapping[str, Any]) -> np.ndarray:
    """Line integrals, (view, row, column); in the files a column stands in one row of pixels."""
    rows, columns = first["rows"], first["columns"]
    found = []
    for view in views:
        stored = decoded(view)[0]
        if stored.shape == (columns, rows):
            stored = stored.T
        elif stored.shape != (rows, columns):
            raise ValueError(
                f"{Path(view.filename).name} holds {stored.shape[0]}x{stored.shape[1]} pixels for "
                f"a detector of {rows} rows and {columns} columns"
            )
        found.append(stored * float(view.RescaleSlope) + float(view.RescaleIntercept))
    return np.stack(found).astype(np.float32)


def _rows_in_plane(
    values: np.ndarray, first: Mapping[str, Any]
) -> tuple[np.ndarray, tuple[int, ...], list[str]]:
    """(row, view, column) of the rows whose rays stay within half a row of one plane.

    A ray leaves its slice by z R / rho across a field of view of radius R, rho from the source.
    """
    half = first["columns"] / 2 * first["transverse"] / first["distance"]
    if DETECTORS[first["detector"]] == FLAT:
        half = np.arctan(half)
    leaving = np.abs(np.arange(first["rows"]) - (first["central"][1] - 1)) * np.sin(half)
    rows = np.flatnonzero(leaving <= 0.5 + NEARLY)
    if not len(rows):
        rows = np.array([int(np.argmin(leaving))])
    said = []
    if len(rows) < first["rows"]:
        said.append(
            f"{len(rows)} of {first['rows']} detector rows are used: the rays of the others leave "
            "their slice, which a fan beam does not describe"
        )
    return values[:, rows].transpose(1, 0, 2), tuple(rows.tolist()), said


def _angles(facts: Sequence[Mapping[str, Any]]) -> tuple[np.ndarray, list[str]]:
    """Angles of the views as FanBeam counts them, (view,), and what was converted, in words.

    FanBeam's source stands at rho (sin, -cos), y upwards.

    The format's source stands at rho (-sin phi, cos phi) and its columns run along
    (cos phi, sin phi), in axes whose x points to the left of the picture that DICOM shows.
    """
    phi = np.unwrap([fact["angle"] for fact in facts])
    said = "angles are pi - phi: the picture lies as DICOM shows it, seen from the feet"
    return np.pi - phi, [said]


def _photons(facts: Sequence[Mapping[str, Any]]) -> torch.Tensor | None:
    """(view, column) photons without an object, where each view tells them."""
    columns = facts[0]["columns"]
    known = [np.atleast_1d(fact["photons"]) for fact in facts if fact["photons"] is not None]
    if len(known) < len(facts) or any(len(row) not in (1, columns) for row in known):
        return None
    photons = np.stack([np.broadcast_to(row, columns) for row in known]).astype(np.float32)
    return torch.from_numpy(photons) if (photons > 0).all() else None


def _water(first: Mapping[str, Any]) -> float | None:
    """1/mm, where the file tells the attenuation of water it was calibrated with."""
    try:
        found = float(first["mu_water"])
    except (TypeError, ValueError):
        return None
    return found if 0.01 < found < 0.1 else None


def _alike(first: Any, second: Any) -> bool:
    if isinstance(first, str) or first is None or isinstance(second, str) or second is None:
        return first == second
    return np.shape(first) == np.shape(second) and bool(np.allclose(first, second, NEARLY, NEARLY))
