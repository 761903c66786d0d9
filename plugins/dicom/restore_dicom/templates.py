"""Any volume takes the patient, study and scaling of a DICOM slice or series."""

import copy
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from pydicom import Dataset
from pydicom.valuerep import DSfloat
from torch import Tensor

from restore.files.task import Frames, Record, Task

from .files.derived.parametric import decimals
from .files.dicom.reading import read_dicom
from .files.dicom.series import read_series
from .files.dicom.source import SERIES, SINGLE, Slice, Source
from .geometry import Geometry, Plane

TEMPLATES = (SINGLE, SERIES)
PRIVATE_SCALES = {(0x2005, n, "Philips MR Imaging DD 001") for n in (0x0D, 0x0E)}  # beside slopes
ALIKE = 0.01  # of a voxel: spacings that differ by less are one and the same


def in_dicom(task: Task, template: Path | None, *, fit: bool, placed: bool) -> Task:
    """The task whose answer is DICOM of the patient and study of a template, a file or a folder.

    Without --format it is a file of one slice, or a folder of several. fit: as of `like`; placed:
    whether the scan tells where its voxels lie: otherwise the template does, if it has their shape
    and spacing. ValueError as of `like`, before anything is sampled.
    """
    if template is None:
        return task
    known = read_series(template) if template.is_dir() else read_dicom(template)

    def finish(volume: Record) -> Record:
        if not placed and _stands_for(known, volume):
            volume = replace(volume, meta={**volume.meta, "geometry": None})
        return like(volume, known, fit=fit)

    def present(signal: Tensor) -> Record:
        return finish(task.present(signal))

    frames = task.frames
    if frames is not None:
        finish(frames.whole)
        at_once = partial(_at_once_in_dicom, frames, template, fit=fit, placed=placed)
        return replace(task, frames=replace(frames, finish=finish, at_once=at_once), format="")
    slices = task.comparison.input_shown.signal.shape[1]
    present(task.measurement.operator.adjoint(task.measurement.y)[0] * 0)
    return replace(task, present=present, format=".dcm" if slices == 1 else "")


def _at_once_in_dicom(frames: Frames, template: Path, **how: bool) -> Task:
    return in_dicom(frames.at_once(), template, **how)


def _stands_for(template: Record, volume: Record) -> bool:
    """Whether a template's slices may be those of a volume that nobody placed."""
    ours, theirs = volume.meta.get("geometry"), template.meta.get("geometry")
    if volume.signal.shape != template.signal.shape:
        return False
    if ours is None or theirs is None:
        return True
    ratio = np.array(ours.spacing[1:]) / theirs.spacing[1:]
    return bool(np.abs(ratio - 1).max() < ALIKE)


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
        source = _placed(volume, template, geometry)
        meta.pop("valid", None)
        meta["geometry"] = geometry
    if fit:
        source = _fitted(volume, source)
    return Record(volume.signal, volume.kind, template.source, {**meta, "dicom": source})


def _refuse_other_units(volume: Record, template: Record) -> None:
    modality, known = (r.meta.get("modality") for r in (volume, template))
    if modality is not None and known not in (modality, None):
        raise ValueError(f"{template.source} is of modality {known}, the volume of {modality}")
    ours, theirs = volume.meta.get("units"), template.meta.get("units")
    if ours is not None and ours != theirs:
        raise ValueError(f"the volume's units are {ours}, its DICOM template's {theirs}")


def _placed(volume: Record, template: Record, geometry: Geometry | None) -> Source:
    """One header for each slice of another grid."""
    source = template.meta["dicom"]
    if geometry is None:
        raise ValueError(
            f"{template.source}: a volume of another shape than its DICOM template needs a geometry"
        )
    if source.layout not in TEMPLATES:
        raise ValueError(
            f"{template.source}: of templates of another shape only classic slices serve, this "
            f"is a {source.layout} object"
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
    values = volume.signal.abs() if volume.signal.is_complex() else volume.signal
    low, high = float(values.min()), float(values.max())
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
        _forget_scales(header)
        code = replace(original.encoding, slope=float(slope), intercept=float(intercept))
        slices.append(replace(original, header=header, encoding=code))
    return Source(source.layout, tuple(slices))


def _forget_scales(made: Dataset) -> None:
    """Private pixel scales, at every depth: they hold for the slope that they came with."""
    for element in list(made):
        place = element.tag.group, element.tag.element & 0xFF, element.private_creator
        if element.tag.is_private and place in PRIVATE_SCALES:
            del made[element.tag]
        elif element.VR == "SQ":
            for inner in element.value:
                _forget_scales(inner)
