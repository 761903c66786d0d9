"""Ultrasound in DICOM: frames in grey, RGB, YBR and palettes, their regions and times.

PS3.3 C.7.6.3 (image pixel), C.8.5.5 (ultrasound regions), C.7.6.5 (cine).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO

import numpy as np
from pydicom import Dataset, dcmread, dcmwrite
from pydicom.config import disable_value_validation
from pydicom.pixels import apply_color_lut, iter_pixels
from restore_dicom.files.derived.derivation import derivation, derive
from restore_dicom.files.derived.parametric import map_without_pixels
from restore_dicom.files.dicom.pixels import Encoding, decoding_error
from restore_dicom.files.dicom.reading import mark_lossy, opened, without_pixels
from restore_dicom.files.dicom.source import FRAMES, SINGLE, Slice, Source

from restore.atomic import atomic_file
from restore.files.answers.on_disk import each, filled
from restore.files.naming import naming
from restore.files.task import Record
from restore.untrusted.bounds import refuse_bomb

from .colours import GREY, PALETTE, RGB, YBR, Raster
from .frames import bmode, raster_of, refuse_source, stored_frames

LONGER = 1 << 10  # bytes of pixels that are not read to know how many they are
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
        header = opened(path, pixels=False)
        raster = _raster(path, header)
        mark_lossy(header, path.stat().st_size)
        header = without_pixels(header)
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
    palette, frame times, patient and study stay. A record of kind "std" becomes a Parametric Map
    of brightness. ValueError where the record is not from DICOM.
    """
    path = Path(path)
    refuse_source(record, path)
    header = record.meta.get("header")
    if not isinstance(header, Dataset):
        raise ValueError(f"{path}: the record is not from DICOM, so there is no patient to keep")
    with naming(path), disable_value_validation(), TemporaryFile() as pixels:
        # no validation: the source's own values may break rules
        if record.kind == "std":
            made = _map(record, header, pixels)
        else:
            made = _frames(record, header, path, pixels)
        with atomic_file(path) as file:
            dcmwrite(file, made, enforce_file_format=True)


def _frames(record: Record, header: Dataset, path: Path, pixels: BinaryIO) -> Dataset:
    """The derived object; its pixels are written to a file of their own, and read from there."""
    made = derive(header, derivation(record.meta.get("derivation")), sources=[header])
    raster = raster_of(record, path)
    photometric = str(made.PhotometricInterpretation)
    made.PhotometricInterpretation = {RGB: "RGB", YBR: "YBR_FULL"}.get(raster.space, photometric)
    if raster.stored.ndim == 4:
        made.PlanarConfiguration = 0
    made.HighBit = int(made.BitsStored) - 1
    if len(raster.stored) > 1 or "NumberOfFrames" in made:
        made.NumberOfFrames = len(raster.stored)
    for frame in stored_frames(record, path):
        pixels.write(frame.tobytes())
    pixels.write(b"\0" * (pixels.tell() % 2))
    pixels.seek(0)
    made.add_new("PixelData", "OB" if int(made.BitsAllocated) == 8 else "OW", pixels)
    return made


def _map(record: Record, header: Dataset, pixels: BinaryIO) -> Dataset:
    """The Parametric Map of a deviation, (1, frames, rows, columns); its pixels go to a file."""
    shape, low, high = record.signal.shape[1:], math.inf, -math.inf
    for frame in each(record.signal[0]):
        low, high = min(low, float(frame.min())), max(high, float(frame.max()))
        pixels.write(frame.numpy().astype("<f4").tobytes())
    pixels.seek(0)
    blank, encoding = np.empty(shape[1:], np.uint8), Encoding(1.0, 0.0, 8, signed=False)
    slices = [Slice(f"frame {k + 1}", header, blank, encoding, None, k) for k in range(shape[0])]
    layout = FRAMES if shape[0] > 1 else SINGLE
    how = derivation(record.meta.get("derivation"))
    made = map_without_pixels(record, shape, (low, high), Source(layout, tuple(slices)), how)
    made.add_new("FloatPixelData", "OF", pixels)
    return made


def _raster(path: Path, header: Dataset) -> Raster:
    name = str(header.get("PhotometricInterpretation", ""))
    stored = dcmread(path, specific_tags=["PixelData"], defer_size=LONGER).get_item("PixelData")
    if stored is None:
        raise ValueError("it holds no pixel data")
    if name not in SPACES:
        raise ValueError(f"its pixels are {name or 'of no photometric interpretation'}")
    space, bits = SPACES[name], int(header.BitsStored)
    allocated = int(header.BitsAllocated)
    if allocated not in (8, 16) or not 1 <= bits <= allocated:
        raise ValueError(f"its pixels are {bits} of {allocated} bits; 8 and 16 are read")
    if int(header.get("PixelRepresentation", 0)) == 1:
        raise ValueError("its pixels are signed, which brightness is not")
    told, size = int(header.get("NumberOfFrames") or 1), (int(header.Rows), int(header.Columns))
    refuse_bomb(told * math.prod(size), path.stat().st_size)
    if not header.file_meta.TransferSyntaxUID.is_encapsulated:
        samples = {"YBR_FULL_422": 2}.get(name, int(header.get("SamplesPerPixel", 1)))
        length = stored.length if stored.is_raw else len(stored.value)
        _refuse_lying_count(told, length // (math.prod(size) * samples * allocated // 8))
    shape = (told, *size, *(3,) * (space in (RGB, YBR)))
    found = _decoded(path, header, told, raw=space != RGB)
    pixels = filled(found, shape, f"<u{allocated // 8}")
    if space != PALETTE:
        return Raster(pixels, space, (1 << bits) - 1, inverted=name == "MONOCHROME1")
    colours, first = _palette(header)
    return Raster(pixels, space, palette=colours, first=first)


def _decoded(path: Path, header: Dataset, told: int, *, raw: bool) -> Iterator[np.ndarray]:
    """The frames' pixels, one after the other; ValueError where they are not as many as told."""
    found = 0
    try:
        for frame in iter_pixels(path, raw=raw):
            found += 1
            if found <= told:
                yield frame
    except Exception as error:  # pydicom and its decoders raise anything
        raise ValueError(decoding_error(header, error)) from error
    _refuse_lying_count(told, found)


def _refuse_lying_count(told: int, found: int) -> None:
    if told != found:
        cut = "is cut off: it " if found < told else ""
        raise ValueError(f"it {cut}tells of {told} frames and holds {found}")


def _palette(dataset: Dataset) -> tuple[np.ndarray, int]:
    """Colours (entries, 3), 0 to 1, and the number of the first."""
    if "RedPaletteColorLookupTableDescriptor" not in dataset:
        raise ValueError("its pixels are of a palette, which it does not hold")
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
