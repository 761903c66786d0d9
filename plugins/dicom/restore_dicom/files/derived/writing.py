"""A volume becomes derived DICOM: a file as a file, a series as a folder with a file per slice."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from pydicom import Dataset, dcmwrite
from pydicom.config import disable_value_validation

from restore.atomic import atomic_file, atomic_folder
from restore.files.naming import naming
from restore.files.task import Record

from ..dicom import mosaic
from ..dicom.frames import PER_FRAME, SHARED
from ..dicom.pixels import kind
from ..dicom.source import FRAMES, SERIES, SINGLE, Slice, Source
from ..volume import voxels
from .codes import item
from .deidentifying import deidentified
from .derivation import Derivation, derivation, derive, origin, reference, several
from .parametric import parametric_map

FRAME_TYPES = ("MRImageFrameTypeSequence", "CTImageFrameTypeSequence", "PETFrameTypeSequence")


def write_dicom(record: Record, path: str | Path) -> None:
    """One file: a classic slice, a multi-frame object or a mosaic, as the record was read.

    Values are rounded and clipped to the source's stored bits and rescaled as it was; padding is
    the source's. A record of kind "std" becomes a Parametric Map, whatever its layout. ValueError
    where the record is not from DICOM, has another shape than its source, or is a series.
    """
    path = Path(path)
    values, source = voxels(record, path), _source(record, path)
    if record.source is not None and path.resolve() == record.source.resolve():
        raise ValueError(f"{path}: that is the source itself; a derived object is another file")
    slices = len(source.slices)
    if source.layout == SERIES and slices > 1 and record.kind != "std":
        raise ValueError(f"{path}: a series of {slices} slices is a folder of files; give a folder")
    with naming(path), disable_value_validation():  # the source's own values may break rules
        for made in _objects(record, values, source):
            _save(made, path)


def write_series(record: Record, folder: str | Path) -> None:
    """A folder: 0001.dcm and so on in the order of the z axis, all one new series.

    What was read from one object, and a record of kind "std", is one file in it. FileExistsError
    where the folder holds files already.
    """
    folder = Path(folder)
    values, source = voxels(record, folder), _source(record, folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(f"{folder} holds files already; a series has a folder of its own")
    with naming(folder), disable_value_validation(), atomic_folder(folder) as inside:
        for number, made in enumerate(_objects(record, values, source), 1):
            _save(made, inside / f"{number:04d}.dcm")


def _source(record: Record, path: Path) -> Source:
    source = record.meta.get("dicom")
    if not isinstance(source, Source):
        raise ValueError(
            f"{path}: the record is not from DICOM, so there is no patient or study to keep; write "
            "NIfTI or MHA, or give it a template, --template FILE.dcm"
        )
    shape = (len(source.slices), *source.slices[0].stored.shape)
    if tuple(record.signal.shape[1:]) != shape:
        sizes = ("x".join(map(str, s)) for s in (record.signal.shape[1:], shape))
        raise ValueError(
            "{}: the volume is {}, its source {}; give it a template, --template FILE.dcm".format(
                path, *sizes
            )
        )
    return source


def _objects(record: Record, values: np.ndarray, source: Source) -> Iterator[Dataset]:
    """The datasets of a volume, one series, as they are written."""
    for made in _derived(record, values, source):
        yield deidentified(made) if record.meta.get("deidentify") else made


def _derived(record: Record, values: np.ndarray, source: Source) -> Iterator[Dataset]:
    how = derivation(record.meta.get("derivation"))
    if record.kind == "std":
        yield parametric_map(record, values, source, how)
        return
    header = source.slices[0].header
    pairs = zip(source.slices, values)
    if source.layout in (SINGLE, SERIES):
        for original, plane in pairs:
            header = original.header
            yield _with_pixels(derive(header, how, sources=[header]), _stored(original, plane))
        return
    stored = np.stack([_stored(original, plane) for original, plane in pairs])
    if source.layout == FRAMES:
        in_file = np.argsort([s.frame for s in source.slices])
        yield _with_pixels(_multiframe(header, how), stored[in_file])
    else:
        yield _with_pixels(derive(header, how, sources=[header]), mosaic.tiled(stored))


def _stored(source: Slice, values: np.ndarray) -> np.ndarray:
    """The integers of a slice, in its own type; padding as it was."""
    stored = np.where(source.padded, source.stored, source.encoding.stored(values))
    return stored.astype(kind(source.header))


def _multiframe(header: Dataset, how: Derivation) -> Dataset:
    """The derived object; an enhanced one tells the origin frame by frame."""
    if PER_FRAME not in header:
        return derive(header, how, sources=[header])
    made = derive(header, how, sources=[])
    for group in (*made.get(SHARED, []), *made[PER_FRAME].value):
        for name in FRAME_TYPES:
            for frame_type in group.get(name, []):
                frame_type.FrameType = ["DERIVED", *several(frame_type.get("FrameType"))[1:]]
    shared = made.get(SHARED) or [Dataset()]
    before = shared[0].get("DerivationImageSequence") or []
    if before:  # a group is shared or of each frame, not both
        del shared[0].DerivationImageSequence
    for number, group in enumerate(made[PER_FRAME].value):
        origins = group.get("DerivationImageSequence") or before
        group.DerivationImageSequence = [*origins, origin(header, how, number)]
    if header.get("SOPInstanceUID"):
        made.SourceImageEvidenceSequence = [_evidence(header)]
    return made


def _evidence(header: Dataset) -> Dataset:
    """The source object within its study, as SourceImageEvidenceSequence lists it."""
    named = reference(header)
    del named.PurposeOfReferenceCodeSequence
    series = item(SeriesInstanceUID=header.SeriesInstanceUID, ReferencedSOPSequence=[named])
    return item(StudyInstanceUID=header.StudyInstanceUID, ReferencedSeriesSequence=[series])


def _with_pixels(made: Dataset, stored: np.ndarray) -> Dataset:
    """Pixel data of (rows, columns) or (frames, rows, columns) in the source's type."""
    made.Rows, made.Columns = stored.shape[-2:]
    made.HighBit = int(made.BitsStored) - 1
    made.SamplesPerPixel = 1
    data = stored.tobytes()
    made.PixelData = data + b"\0" * (len(data) % 2)
    made["PixelData"].VR = "OB" if int(made.BitsAllocated) == 8 else "OW"
    return made


def _save(made: Dataset, path: Path) -> None:
    with atomic_file(path) as file:
        dcmwrite(file, made, enforce_file_format=True)
