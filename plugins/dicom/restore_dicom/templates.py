"""Any volume takes the patient, study and scaling of a DICOM slice or series."""

import copy
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from pydicom import Dataset
from pydicom.valuerep import DSfloat

from restore.files.task import Record

from .files.derived.parametric import decimals
from .files.dicom.source import SERIES, SINGLE, Slice, Source
from .geometry import Geometry, Plane

TEMPLATES = (SINGLE, SERIES)


def like(volume: Record, template: Record, *, fit: bool = False) -> Record:
    """The volume as a record that the DICOM writers take, its headers after the template's.

    volume: signal (1, z, y, x) in the template's units (of CT: HU). Where it has the template's
    shape and no other geometry it stands slice for slice; otherwise its own geometry places it,
    and each slice takes after the nearest of the template's. fit: choose RescaleSlope and
    RescaleIntercept so that the volume's values fill the stored bits, for values of another
    scale than the template's. ValueError where the template is no classic DICOM slice or series,
    units differ, or a volume of another shape has no geometry.
    """
    source = template.meta.get("dicom")
    if not isinstance(source, Source):
        raise ValueError(f"{template.source}: the template is not DICOM")
    if volume.signal.ndim != 4 or len(volume.signal) != 1:
        raise ValueError(f"a volume is (1, z, y, x), got {tuple(volume.signal.shape)}")
    _refuse_other_units(volume, template)
    geometry, known = volume.meta.get("geometry"), template.meta.get("geometry")
    same = geometry is None or geometry.close_to(known)
    meta = dict(template.meta)
    if "derivation" in volume.meta:
        meta["derivation"] = volume.meta["derivation"]
    if not (same and volume.signal.shape == template.signal.shape):
        source = _placed(volume, source, geometry)
        meta.pop("valid", None)
        meta["geometry"] = geometry
    if fit:
        source = _fitted(volume, source)
    return Record(volume.signal, volume.kind, template.source, {**meta, "dicom": source})


def _refuse_other_units(volume: Record, template: Record) -> None:
    ours, theirs = volume.meta.get("units"), template.meta.get("units")
    if ours is not None and ours != theirs:
        raise ValueError(f"the volume's units are {ours}, its DICOM template's {theirs}")


def _placed(volume: Record, source: Source, geometry: Geometry | None) -> Source:
    """One header for each slice of another grid."""
    if geometry is None:
        raise ValueError("a volume of another shape than its DICOM template needs a geometry")
    if source.layout not in TEMPLATES:
        raise ValueError(
            f"the template is a {source.layout} object; of another shape only classic slices serve"
        )
    slices, rows, columns = volume.signal.shape[1:]
    planes = [geometry.plane(z) for z in range(slices)]
    empty = np.zeros((rows, columns), np.int64)
    made = []
    for z, plane in enumerate(planes):
        near = _nearest(plane, source.slices)
        header = _moved(near.header, plane, geometry.spacing[0], z + 1)
        made.append(Slice(f"slice {z + 1}", header, empty, near.encoding, plane))
    return Source(SERIES, tuple(made))


def _nearest(plane: Plane, slices: Sequence[Slice]) -> Slice:
    placed = [s for s in slices if s.plane is not None]
    if not placed:
        return slices[0]
    return min(placed, key=lambda s: float(np.linalg.norm(s.plane.position - plane.position)))


def _moved(header: Dataset, plane: Plane, step: float, number: int) -> Dataset:
    made = copy.deepcopy(header)
    made.ImagePositionPatient = decimals(plane.position)
    made.ImageOrientationPatient = decimals(plane.orientation)
    made.PixelSpacing = decimals(plane.spacing)
    made.SliceThickness = DSfloat(step, auto_format=True)
    made.InstanceNumber = number
    if "SpacingBetweenSlices" in made:
        made.SpacingBetweenSlices = DSfloat(step, auto_format=True)
    for name in ("SliceLocation", "PixelPaddingValue", "PixelPaddingRangeLimit"):
        if name in made:
            delattr(made, name)
    return made


def _fitted(volume: Record, source: Source) -> Source:
    """The source with one slope and intercept for all slices, written into its headers."""
    if source.layout not in TEMPLATES:
        raise ValueError(f"the template is a {source.layout} object; its scaling is not changed")
    low, high = float(volume.signal.min()), float(volume.signal.max())
    slices = []
    for original in source.slices:
        least, greatest = original.encoding.limits
        slope = DSfloat((high - low) / (greatest - least) or 1.0, auto_format=True)
        intercept = DSfloat(low - least * float(slope), auto_format=True)
        header = copy.deepcopy(original.header)
        header.RescaleSlope, header.RescaleIntercept = slope, intercept
        header.RescaleType = header.get("RescaleType") or "US"
        for name in ("PixelPaddingValue", "PixelPaddingRangeLimit", "WindowCenter", "WindowWidth"):
            if name in header:
                delattr(header, name)
        code = replace(original.encoding, slope=float(slope), intercept=float(intercept))
        slices.append(replace(original, header=header, encoding=code))
    return Source(source.layout, tuple(slices))
