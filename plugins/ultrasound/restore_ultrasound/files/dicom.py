"""Ultrasound in DICOM: frames in grey, RGB, YBR and palettes, their regions and times.

PS3.3 C.7.6.3 (image pixel), C.8.5.5 (ultrasound regions), C.7.6.5 (cine).
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom import Dataset, dcmwrite
from pydicom.config import disable_value_validation
from pydicom.pixels import apply_color_lut, pixel_array
from restore_dicom.files.derived.derivation import derivation, derive
from restore_dicom.files.dicom.pixels import decoding_error
from restore_dicom.files.dicom.reading import opened, without_pixels

from restore.atomic import atomic_file
from restore.files.naming import naming
from restore.files.task import Record

from .colours import GREY, PALETTE, RGB, YBR, Raster
from .frames import bmode, raster_of, refuse_source

SPACES = {
    "MONOCHROME1": GREY, "MONOCHROME2": GREY, "PALETTE COLOR": PALETTE, "RGB": RGB,
    "YBR_RCT": RGB, "YBR_ICT": RGB, "YBR_FULL": YBR, "YBR_FULL_422": YBR,
}  # fmt: skip
PLANE, TISSUE, FLOW = 1, 1, 2  # RegionSpatialFormat 2D; RegionDataType tissue and colour flow


@dataclass(frozen=True)
class Region:
    """An item of SequenceOfUltrasoundRegions: a box of the frame, and what it shows."""

    left: int  # columns and rows from 0; right and bottom are the last ones inside
    top: int
    right: int
    bottom: int
    spatial: int = PLANE  # RegionSpatialFormat: 1 two-dimensional, 2 M-mode, 3 spectrum, 4 waveform
    data: int = TISSUE  # RegionDataType: 1 tissue, 2 colour flow, 10 ECG, ...

    @property
    def shows_tissue(self) -> bool:
        return self.spatial == PLANE and self.data in (TISSUE, FLOW)


def read_dicom(path: str | Path) -> Record:
    """Frames as displayed, (1, frames, rows, columns), 0 to 1; 8 or 16 bits, compressed or not.

    meta: `raster`, `regions` (of `Region`, None where the file has none), `seconds` of each frame
    from the first (None where unknown), `header`. ValueError in one line that names the file for
    what is no DICOM, has no pixels, is cut off or misses a decoder.
    """
    path = Path(path)
    with naming(path):
        dataset = opened(path)
        raster = _raster(dataset)
        header = without_pixels(dataset)
        return bmode(
            raster,
            path,
            format="dicom",
            header=header,
            regions=_regions(header),
            seconds=_seconds(header, len(raster.stored)),
        )


def write_dicom(record: Record, path: str | Path) -> None:
    """A derived object in the source's colour space, uncompressed; other pixels bit for bit.

    YBR_FULL_422 becomes YBR_FULL, YBR_RCT and YBR_ICT RGB, as their decoders give them; regions,
    palette, frame times, patient and study stay. ValueError where the record is not from DICOM.
    """
    path = Path(path)
    refuse_source(record, path)
    raster, header = raster_of(record, path), record.meta.get("header")
    if not isinstance(header, Dataset):
        raise ValueError(f"{path}: the record is not from DICOM, so there is no patient to keep")
    with naming(path), disable_value_validation():  # the source's own values may break rules
        made = derive(header, derivation(record.meta.get("derivation")), sources=[header])
        photometric = str(made.PhotometricInterpretation)
        made.PhotometricInterpretation = {RGB: "RGB", YBR: "YBR_FULL"}.get(
            raster.space, photometric
        )
        if raster.stored.ndim == 4:
            made.PlanarConfiguration = 0
        made.HighBit = int(made.BitsStored) - 1
        if len(raster.stored) > 1 or "NumberOfFrames" in made:
            made.NumberOfFrames = len(raster.stored)
        data = raster.stored.tobytes()
        made.PixelData = data + b"\0" * (len(data) % 2)
        made["PixelData"].VR = "OB" if int(made.BitsAllocated) == 8 else "OW"
        with atomic_file(path) as file:
            dcmwrite(file, made, enforce_file_format=True)


def _raster(dataset: Dataset) -> Raster:
    name = str(dataset.get("PhotometricInterpretation", ""))
    if "PixelData" not in dataset:
        raise ValueError("it holds no pixel data")
    if name not in SPACES:
        raise ValueError(f"its pixels are {name or 'of no photometric interpretation'}")
    space, bits = SPACES[name], int(dataset.BitsStored)
    allocated = int(dataset.BitsAllocated)
    if allocated not in (8, 16) or not 1 <= bits <= allocated:
        raise ValueError(f"its pixels are {bits} of {allocated} bits; 8 and 16 are read")
    if int(dataset.get("PixelRepresentation", 0)) == 1:
        raise ValueError("its pixels are signed, which brightness is not")
    try:
        pixels = pixel_array(dataset, raw=space != RGB, allow_excess_frames=False)
    except Exception as error:  # pydicom and its decoders raise anything
        raise ValueError(decoding_error(dataset, error)) from error
    shape = (-1, int(dataset.Rows), int(dataset.Columns))
    stored = pixels.reshape(*shape, *(3,) * (space in (RGB, YBR))).astype(f"<u{allocated // 8}")
    _refuse_lying_count(dataset, len(stored))
    if space != PALETTE:
        return Raster(stored, space, (1 << bits) - 1, inverted=name == "MONOCHROME1")
    colours, first = _palette(dataset)
    return Raster(stored, space, palette=colours, first=first)


def _refuse_lying_count(dataset: Dataset, found: int) -> None:
    told = int(dataset.get("NumberOfFrames") or 1)
    if told != found:
        raise ValueError(f"it tells of {told} frames and holds {found}")


def _palette(dataset: Dataset) -> tuple[np.ndarray, int]:
    """Colours (entries, 3), 0 to 1, and the number of the first."""
    entries, first, _ = (int(n) for n in dataset.RedPaletteColorLookupTableDescriptor)
    entries = entries or 1 << 16
    numbers = np.arange(first, first + entries).astype(f"u{int(dataset.BitsAllocated) // 8}")
    colours = apply_color_lut(numbers[None], dataset)[0][..., :3]
    return colours.astype(np.float32) / np.iinfo(colours.dtype).max, first


def _regions(header: Dataset) -> list[Region] | None:
    names = ("MinX0", "MinY0", "MaxX1", "MaxY1")
    found = []
    for item in header.get("SequenceOfUltrasoundRegions") or []:
        box = [item.get(f"RegionLocation{name}") for name in names]
        if None in box:
            continue
        kinds = (item.get("RegionSpatialFormat"), item.get("RegionDataType"))
        found.append(Region(*(int(n) for n in box), *(int(k or 0) for k in kinds)))
    return found or None


def _seconds(header: Dataset, frames: int) -> list[float] | None:
    """When each frame was taken, from the first: of FrameTimeVector, FrameTime or CineRate."""
    vector = header.get("FrameTimeVector")
    if vector is not None and frames > 1:
        steps = [float(step) / 1000 for step in np.atleast_1d(vector)]
        if len(steps) == frames:
            return np.cumsum([0.0, *steps[1:]]).tolist()
    if header.get("FrameTime"):
        return [i * float(header.FrameTime) / 1000 for i in range(frames)]
    rate = header.get("CineRate") or header.get("RecommendedDisplayFrameRate")
    return [i / float(rate) for i in range(frames)] if rate else None
