"""A folder of DICOM files becomes a volume, if they are the slices of one series."""

from pathlib import Path

from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError

from restore.files.naming import naming
from restore.files.task import Record

from . import frames, mosaic
from .pixels import decoded
from .reading import classic, geometry_of, plane, read_dicom, record, without_pixels
from .source import SERIES, Slice, Source
from .stacking import ordered


def read_series(folder: str | Path) -> Record:
    """The one series in a folder, whatever its files are called, sorted along the slices' normal.

    Other files, and DICOM files without pixels, are passed over. Slices at uneven steps, or sheared
    by a tilted gantry, are a volume without geometry. ValueError in one line where it holds no
    image or several series (all listed), or where slices differ in size or direction, or share a
    place.
    """
    folder = Path(folder)
    with naming(folder):
        headers = _headers(folder)
        _refuse_several(headers)
        if len(headers) == 1:
            return read_dicom(next(iter(headers)))
        _refuse_what_is_no_slice(headers)
    slices = [_slice(path) for path in headers]
    with naming(folder):
        _refuse_sizes(slices)
        order = ordered([s.plane for s in slices], [s.name for s in slices])
        slices = [slices[i] for i in order]
        geometry = geometry_of(slices, slices[0].header)
        return record(Source(SERIES, tuple(slices)), geometry, folder)


def _headers(folder: Path) -> dict[Path, Dataset]:
    """The headers of the DICOM images in a folder, by path, without their pixels."""
    found: dict[Path, Dataset] = {}
    for path in sorted(folder.iterdir()):
        if not path.is_file() or path.name.startswith("."):
            continue
        try:
            header = dcmread(path, stop_before_pixels=True)
        except (InvalidDicomError, EOFError):
            continue
        if header.get("Rows") and header.get("SeriesInstanceUID"):
            found[path] = header
    if not found:
        raise ValueError("the folder holds no DICOM image")
    return found


def _refuse_several(headers: dict[Path, Dataset]) -> None:
    series: dict[str, list[Dataset]] = {}
    for header in headers.values():
        series.setdefault(str(header.SeriesInstanceUID), []).append(header)
    if len(series) > 1:
        lines = (_described(uid, inside) for uid, inside in series.items())
        raise ValueError(
            f"it holds {len(series)} series, give a folder to each: {'; '.join(lines)}"
        )


def _described(uid: str, inside: list[Dataset]) -> str:
    first = inside[0]
    title = str(first.get("SeriesDescription") or "no description")
    files = "1 file" if len(inside) == 1 else f"{len(inside)} files"
    return f"{uid} ({first.get('Modality')}, {title}, {files})"


def _refuse_what_is_no_slice(headers: dict[Path, Dataset]) -> None:
    for path, header in headers.items():
        if mosaic.is_mosaic(header):
            raise ValueError(
                f"{len(headers)} mosaics are a time series: give one file ({path.name})"
            )
        if int(header.get("NumberOfFrames") or 1) > 1 or frames.is_enhanced(header):
            raise ValueError(f"{path.name} is a multi-frame object: give it alone")
        if plane(header) is None:
            raise ValueError(
                f"{path.name} has no ImagePositionPatient, ImageOrientationPatient or "
                "PixelSpacing: its place among the slices is unknown"
            )


def _refuse_sizes(slices: list[Slice]) -> None:
    first = slices[0]
    for other in slices:
        if other.stored.shape != first.stored.shape:
            sizes = ["x".join(map(str, s.stored.shape)) for s in (other, first)]
            raise ValueError(
                f"{other.name} is {sizes[0]} pixels, {first.name} {sizes[1]}: no one volume"
            )


def _slice(path: Path) -> Slice:
    with naming(path):
        dataset = dcmread(path)
        stored = decoded(dataset)
        return classic(path.name, without_pixels(dataset), stored[0])
