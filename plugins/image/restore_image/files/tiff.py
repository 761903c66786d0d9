"""TIFF: one page, grey, colour or palette, in its own depth, with what it says of itself.

The format: Adobe, TIFF Revision 6.0, 1992.
"""

import logging
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import tifffile
from PIL import ExifTags, Image, TiffImagePlugin
from tifffile import PHOTOMETRIC

from restore.files.task import Record

from .beside_pixels import GEO
from .pillow import pixels_of
from .pixels import TURNS, as_it_lay, profile, to_record

logging.getLogger("tifffile").addHandler(logging.NullHandler())  # it raises what matters

ORIENTATION = 274
# tags that are as true of the restored picture: description, make, model, software, date, artist,
# copyright, XMP, IPTC, the place on earth
KEPT = (270, 271, 272, 305, 306, 315, 33432, 700, 33723, *GEO)
LINKS = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)  # tags that lead to a directory of more tags
SPARE = 65000  # a private tag: tifffile writes no link to a directory, it is made out of this
UNITS = {1: None, 2: "inch", 3: "cm"}


def read(path: Path) -> Record:
    """ValueError for several pages, colours other than grey or RGB, and unusual depths."""
    with tifffile.TiffFile(path) as file:
        count = planes(file)
        if count != 1:
            raise ValueError(f"it holds {count} pictures; give them one by one")
        page = file.pages[0]
        return to_record(pixels_of_page(page, path), path, **facts(file, page))


def planes(file: tifffile.TiffFile) -> int:
    """How many pictures a file holds: its pages, or the planes of one page (ImageJ's stacks)."""
    if len(file.pages) == 1 and file.is_imagej:
        return max(1, int((file.imagej_metadata or {}).get("images", 1)))
    return len(file.pages)


def facts(file: tifffile.TiffFile, page: tifffile.TiffPage) -> dict[str, Any]:
    """What a page says of itself, as pixels.py names it."""
    tags = page.tags
    return {
        "orientation": _orientation(tags.valueof(ORIENTATION, 1)),
        "resolution": _resolution(tags),
        "icc": tags.valueof(34675),
        "tiff": {
            "white_is_zero": page.photometric == PHOTOMETRIC.MINISWHITE,
            "compressed": page.compression != 1,
            "alpha": int(page.extrasamples[0]) if page.extrasamples else 2,
            "pixels": _pixels_per_unit(tags),
            "tags": [_copied(tags[code]) for code in KEPT if code in tags],
            "directories": _directories(file.filehandle, page.offset),
        },
    }


def write(file: BinaryIO, pixels: np.ndarray, meta: Mapping[str, Any]) -> None:
    """(height, width, channels) of any dtype of pixels.DTYPES, uncompressed or deflated."""
    directories = meta.get("tiff", {}).get("directories", {})
    links = dict(zip(directories, range(SPARE, 2**16), strict=False))
    more = [(spare, "I", 1, 0, True) for spare in links.values()]
    tifffile.imwrite(file, byteorder="<", **page_to_write(pixels, meta, more))
    for code, spare in links.items():
        _append(file, code, spare, directories[code])


def page_to_write(
    pixels: np.ndarray, meta: Mapping[str, Any], tags: Sequence[tuple] = ()
) -> dict[str, Any]:
    """What tifffile's writers are given: pixels, kind, compression, resolution, tags and more."""
    facts = meta.get("tiff", {})
    colours = pixels.shape[2] - (pixels.shape[2] in (2, 4))
    inverted = colours == 1 and facts.get("white_is_zero", False)
    if inverted:
        pixels = _inverted(pixels, colours)
    tags = [*facts.get("tags", ()), *tags]
    if meta.get("orientation", 1) != 1:
        tags.append((ORIENTATION, "H", 1, meta["orientation"], True))
    across, down, unit = meta.get("resolution") or (*(facts.get("pixels") or (1, 1)), None)
    if unit == "metre":
        across, down, unit = across / 100, down / 100, "cm"
    return {
        "data": pixels if pixels.shape[2] > 1 else pixels[..., 0],
        "photometric": "rgb" if colours == 3 else "miniswhite" if inverted else "minisblack",
        "planarconfig": "contig" if pixels.shape[2] > 1 else None,
        "extrasamples": [facts.get("alpha", 2)] if pixels.shape[2] > colours else None,
        "compression": "zlib" if facts.get("compressed") else None,
        "resolution": (across, down),
        "resolutionunit": {None: 1, "inch": 2, "cm": 3}[unit],
        "iccprofile": profile(meta, colours),
        "extratags": tags,
        "metadata": None,
        "software": False,
    }


def pixels_of_page(page: tifffile.TiffPage, path: Path) -> np.ndarray:
    """(height, width, channels), black at zero."""
    known = (PHOTOMETRIC.MINISWHITE, PHOTOMETRIC.MINISBLACK, PHOTOMETRIC.RGB, PHOTOMETRIC.PALETTE)
    coded = page.photometric == PHOTOMETRIC.YCBCR and page.compression in (6, 7)  # JPEG's own
    if page.photometric not in known and not coded:
        raise ValueError(
            f"its colours are {page.photometric.name}; convert it to grey or RGB first"
        )
    if page.imagedepth > 1:
        raise ValueError("it is a volume; give its slices one by one")
    own = 3 if page.photometric == PHOTOMETRIC.RGB or coded else 1
    if page.samplesperpixel not in (own, own + 1):
        raise ValueError(f"it has {page.samplesperpixel} channels; at most one beside its colours")
    if page.bitspersample not in (1, 2, 4, 8, 16, 32, 64):
        raise ValueError(f"it has {page.bitspersample} bits a value; 1, 8, 16 or float are read")
    turn = _orientation(page.tags.valueof(ORIENTATION, 1))
    pixels = None if coded or page.bitspersample in (2, 4) else _decoded(page)
    if pixels is None:
        return as_it_lay(_by_pillow(page, path), turn)
    if page.photometric == PHOTOMETRIC.PALETTE:
        return _looked_up(pixels[..., 0], page.colormap)
    return _inverted(pixels, 1) if page.photometric == PHOTOMETRIC.MINISWHITE else pixels


def _decoded(page: tifffile.TiffPage) -> np.ndarray | None:
    """The pixels of a page, (height, width, channels); None where tifffile lacks the codec."""
    _whole(page)
    try:
        pixels = page.asarray(squeeze=False)  # (planes, depth, height, width, samples)
    except ValueError as error:
        if "imagecodecs" in str(error):
            return None
        raise
    if pixels is None or pixels.ndim != 5:
        raise ValueError("it holds no picture")
    pixels = pixels[:, 0]
    return np.moveaxis(pixels[..., 0], 0, -1) if len(pixels) > 1 else pixels[0]


def _whole(page: tifffile.TiffPage) -> None:
    """Parts that reach beyond the end of a cut-off file would be read as zeros."""
    size = page.parent.filehandle.size
    parts = zip(page.dataoffsets, page.databytecounts, strict=True)
    if any(count == 0 or offset + count > size for offset, count in parts):
        raise ValueError("it is cut off: parts of the picture are missing")


def _by_pillow(page: tifffile.TiffPage, path: Path) -> np.ndarray:
    """The pixels of a page by libtiff, upright, for LZW, JPEG and the like.

    ValueError where libtiff would lose some of what is there.
    """
    if (page.extrasamples and page.extrasamples[0] == 1) or page.bitspersample > 32:
        raise ValueError(f"{page.compression.name} needs the package imagecodecs: install it")
    if page.compression == 1 and page.tags.valueof(ORIENTATION, 1) in TURNS:
        raise ValueError(f"{page.bitspersample} bits a value lying on the side: turn it first")
    with Image.open(path, formats=("TIFF",)) as image:
        pixels = pixels_of(image)
    if page.photometric == PHOTOMETRIC.MINISWHITE and pixels.dtype != np.uint8:
        pixels = _inverted(pixels, 1)  # Pillow does this for 8 bits only
    return pixels


def _looked_up(indices: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """Through the colour map, (3, entries) of 16 bits; 8 bits where no more is in it."""
    high, low = colours >> 8, colours & 255
    if not high.any():  # a well-known mistake: 8 bits not spread over 16
        colours = low.astype(np.uint8)
    elif ((low == 0) | (low == high)).all():
        colours = high.astype(np.uint8)
    pixels = np.moveaxis(colours[:, indices], 0, -1)
    return pixels[..., :1] if (pixels == pixels[..., :1]).all() else pixels


def _inverted(pixels: np.ndarray, colours: int) -> np.ndarray:
    """White counts as zero; alpha, behind the colours, is left alone."""
    if pixels.dtype == bool:
        return ~pixels
    peak = 1 if pixels.dtype.kind == "f" else np.iinfo(pixels.dtype).max
    return np.concatenate(
        [peak - pixels[..., :colours], pixels[..., colours:]], 2, dtype=pixels.dtype
    )


def _orientation(value: int) -> int:
    return value if value in range(1, 9) else 1


def _resolution(tags: tifffile.TiffTags) -> tuple[float, float, str] | None:
    unit = UNITS.get(int(tags.valueof(296, 2)))
    values = [tags.valueof(code) for code in (282, 283)]
    if unit is None or not all(value and all(value) for value in values):
        return None
    across, down = (above / below for above, below in values)
    return across, down, unit


def _pixels_per_unit(tags: tifffile.TiffTags) -> tuple[float, float] | None:
    """Pixels across and down a unit that no tag names, but ImageJ's description; None: not told."""
    values = [tags.valueof(code) for code in (282, 283)]
    if int(tags.valueof(296, 2)) != 1 or not all(value and all(value) for value in values):
        return None
    across, down = (above / below for above, below in values)
    return None if (across, down) == (1, 1) else (across, down)


def _copied(tag: tifffile.TiffTag) -> tuple:
    return tag.code, int(tag.dtype), tag.count, tag.value, True


def _directories(file: BinaryIO, start: int) -> dict[int, dict[int, Any]]:
    """The directories that the one at `start` leads to, less their links to yet others."""
    main = _directory(file, start)
    found = {int(code): dict(_directory(file, main[code])) for code in LINKS if code in main}
    for entries in found.values():
        entries.pop(ExifTags.IFD.Interop, None)
    return found


def _directory(file: BinaryIO, start: int) -> TiffImagePlugin.ImageFileDirectory_v2:
    file.seek(0)
    head = file.read(8)
    big = 43 in head[2:4]
    directory = TiffImagePlugin.ImageFileDirectory_v2(head + file.read(8) if big else head)
    file.seek(start)
    directory.load(file)
    return directory


def _append(file: BinaryIO, code: int, spare: int, entries: Mapping[int, Any]) -> None:
    """Put a directory at the end of the file, and make the spare tag the link to it."""
    directory = TiffImagePlugin.ImageFileDirectory_v2(b"II\x2a\0\0\0\0\0")
    for key, value in entries.items():
        directory[key] = value
    offset = file.seek(0, 2)
    offset += file.write(b"\0" * (offset % 2))
    file.write(directory.tobytes(offset))
    file.seek(4)
    start = struct.unpack("<I", file.read(4))[0]
    file.seek(start)
    count = struct.unpack("<H", file.read(2))[0]
    tags = [struct.unpack("<HHII", file.read(12)) for _ in range(count)]
    tags = [(code, *tag[1:3], offset) if tag[0] == spare else tag for tag in tags]
    file.seek(start + 2)
    for tag in sorted(tags):
        file.write(struct.pack("<HHII", *tag))
