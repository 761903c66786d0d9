"""A DICOM file becomes a volume: classic slices, multi-frame objects and Siemens mosaics."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError

from restore.files.naming import naming
from restore.files.task import Record

from ...geometry import Geometry, Plane
from ..volume import volume
from . import frames, mosaic
from .content import content
from .pixels import decoded, encoding
from .source import FRAMES, MOSAIC, SINGLE, Slice, Source
from .stacking import irregular, ordered, stacked

PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData", "ExtendedOffsetTable",
          "ExtendedOffsetTableLengths", "DataSetTrailingPadding")  # fmt: skip

LOSSY = {  # never lossless -> Lossy Image Compression Method
    "1.2.840.10008.1.2.4.50": "ISO_10918_1", "1.2.840.10008.1.2.4.51": "ISO_10918_1",
    "1.2.840.10008.1.2.4.81": "ISO_14495_1",
}  # fmt: skip


def read_dicom(path: str | Path) -> Record:
    """One file: (1, z, y, x), z = 1 for a classic slice; values are stored * slope + intercept.

    Grey pixels of 8 or 16 bits, compressed or not. ValueError in one line that names the file for
    what is no DICOM file, holds no grey pixels, is cut off, misses a decoder, is CT without a
    rescale, or whose frames are no single volume.
    """
    path = Path(path)
    with naming(path):
        dataset = opened(path)
        stored = decoded(dataset)
        header = without_pixels(dataset)
        if mosaic.is_mosaic(header):
            layout, slices, geometry = _tiles(header, stored)
        elif len(stored) > 1 or frames.is_enhanced(header):
            layout, slices, geometry = _frames(header, stored)
        else:
            slices = [classic(path.name, header, stored[0])]
            layout, geometry = SINGLE, geometry_of(slices, header)
        return record(Source(layout, tuple(slices)), geometry, path)


def opened(path: Path, *, pixels: bool = True) -> Dataset:
    """The object of a file; without `pixels` what stands before them. ValueError for none."""
    try:
        return dcmread(path, stop_before_pixels=not pixels)
    except InvalidDicomError:
        raise ValueError("it is no DICOM file (byte 128 does not begin with DICM)") from None


def without_pixels(dataset: Dataset) -> Dataset:
    """The object, from which the pixels are deleted; it goes on telling if they were lossy."""
    if "PixelData" in dataset:
        mark_lossy(dataset, len(dataset.PixelData))
    for name in PIXELS:
        if name in dataset:
            delattr(dataset, name)
    return dataset


def mark_lossy(dataset: Dataset, stored: int) -> None:
    """How much was lost, and by which method, where a compression that always loses says it not.

    stored: bytes of the compressed pixels.
    """
    meta = getattr(dataset, "file_meta", None)
    method = LOSSY.get(str(meta.get("TransferSyntaxUID", ""))) if meta else None
    if method is None:
        return
    dataset.LossyImageCompression = "01"
    if "LossyImageCompressionRatio" not in dataset:
        frames_ = int(dataset.get("NumberOfFrames") or 1)
        size = frames_ * int(dataset.Rows) * int(dataset.Columns) * int(dataset.BitsAllocated) / 8
        dataset.LossyImageCompressionRatio = f"{size / max(stored, 1):.4g}"
        dataset.LossyImageCompressionMethod = method


def plane(header: Dataset) -> Plane | None:
    """The plane that a classic slice lies in; None where it does not say."""
    names = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing")
    return frames.as_plane(*(header.get(name) for name in names))


def classic(name: str, header: Dataset, stored: np.ndarray) -> Slice:
    """A slice that has its file to itself; stored: (y, x)."""
    return Slice(name, header, stored, encoding(header, header), plane(header))


def geometry_of(slices: Sequence[Slice], measures: Dataset) -> Geometry | None:
    """The geometry of slices in order; None where they do not tell, or fill no box of voxels."""
    if misplaced(slices) is not None:
        return None
    return stacked([s.plane for s in slices], thickness(measures))


def misplaced(slices: Sequence[Slice]) -> str | None:
    """Why slices in order make no geometry, in words."""
    planes = [s.plane for s in slices]
    if not all(planes):
        return "it does not tell where its slices lie"
    return irregular(planes, [s.name for s in slices])


def thickness(measures: Dataset) -> float:
    """mm from a slice to the next, where only the header tells; 1 where it does not."""
    for name in ("SpacingBetweenSlices", "SliceThickness"):
        if measures.get(name):
            return abs(float(measures.get(name))) or 1.0
    return 1.0


def record(source: Source, geometry: Geometry | None, path: Path) -> Record:
    """A record of kind volume of slices in order, with `valid` where some pixels are padding."""
    header = source.slices[0].header
    values = np.stack([s.encoding.values(s.stored).astype(np.float32) for s in source.slices])
    padded = np.stack([s.padded for s in source.slices])
    meta = {"valid": torch.from_numpy(~padded)[None]} if padded.any() else {}
    if geometry is None:
        meta["misplaced"] = misplaced(source.slices) or "it does not tell where its slices lie"
    return volume(
        values,
        path,
        format="dicom",
        geometry=geometry,
        modality=header.get("Modality") or None,
        units=_units(source.slices[0]),
        content=next(filter(None, (content(s.header, s.frame) for s in source.slices)), None),
        dicom=source,
        **meta,
    )


def _frames(header: Dataset, stored: np.ndarray) -> tuple[str, list[Slice], Geometry | None]:
    """Frames of one object, sorted in space where the object says how they lie."""
    name = "PixelValueTransformationSequence"
    enhanced = frames.is_enhanced(header)
    holders = [frames.group(header, i, name) if enhanced else header for i in range(len(stored))]
    codes = [encoding(header, holder) for holder in holders]
    slices = [
        Slice(f"frame {i + 1}", header, pixels, codes[i], frames.plane(header, i), i)
        for i, pixels in enumerate(stored)
    ]
    if all(s.plane for s in slices):
        order = ordered([s.plane for s in slices], [s.name for s in slices])
        slices = [slices[i] for i in order]
    return FRAMES, slices, geometry_of(slices, frames.group(header, 0, "PixelMeasuresSequence"))


def _tiles(header: Dataset, stored: np.ndarray) -> tuple[str, list[Slice], Geometry | None]:
    count = mosaic.slices_of(header)
    geometry, code = mosaic.geometry_of(header, count, thickness(header)), encoding(header, header)
    slices = [
        Slice(f"tile {i + 1}", header, tile, code, geometry and geometry.plane(i), i)
        for i, tile in enumerate(mosaic.untiled(stored[0], count))
    ]
    return MOSAIC, slices, geometry


def _units(first: Slice) -> str:
    """HU of CT (unless it says otherwise), what PET names, else 1."""
    header = first.header
    holder = header
    if frames.is_enhanced(header):
        holder = frames.group(header, first.frame, "PixelValueTransformationSequence")
    if header.get("Modality") == "CT":
        return "HU" if holder.get("RescaleType", "HU") in ("HU", "", None) else "1"
    return str(header.get("Units") or "1")
