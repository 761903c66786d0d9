"""What files say beside their pixels: what is true of a restored picture, and of an enlarged one.

EXIF (CIPA DC-008), IPTC within Photoshop's resources, XMP, OME-XML, GeoTIFF (OGC 19-008r4).
"""

import re
import struct
from collections.abc import Callable, Mapping
from typing import Any
from xml.etree import ElementTree

import numpy as np
import torch
from PIL import ExifTags, Image

from restore.files.task import Record

PHOTOSHOP, IPTC = b"Photoshop 3.0\0", 0x0404
THUMBNAIL = (0x0201, 0x0202)  # where it begins in EXIF, and its length
DESCRIPTION, XMP = 270, 700
SCALE, TIEPOINT, TRANSFORMATION, GEO_KEYS = 33550, 33922, 34264, 34735
GEO = (SCALE, TIEPOINT, TRANSFORMATION, GEO_KEYS, 34736, 34737, 42112, 42113)
RASTER_TYPE, POINT = 1025, 2  # a key of GeoTIFF, and its value where values are of points
OME = "http://www.openmicroscopy.org/Schemas/OME"


def enlarged(record: Record, signal: torch.Tensor, factor: int) -> Record:
    """A record of `signal`: `factor` times the pixels on the same paper, alpha interpolated.

    Sizes, resolutions and pixel sizes are those of the larger picture wherever its file tells them.
    """
    meta = dict(record.meta)
    if meta.get("alpha") is not None:
        meta["alpha"] = _interpolated(meta["alpha"], factor)
    if meta.get("resolution"):
        across, down, unit = meta["resolution"]
        meta["resolution"] = (across * factor, down * factor, unit)
    for name, change in (("exif", _exif), ("xmp", _xmp), ("tiff", _tiff)):
        if meta.get(name):
            meta[name] = change(meta[name], factor)
    return Record(signal, record.kind, record.source, meta)


def without_thumbnail(exif: bytes) -> bytes:
    """EXIF whose thumbnail, a picture of what was before, is taken out; all else at its place."""
    start = 6 if exif.startswith(b"Exif\0\0") else 0
    order = {b"II": "<", b"MM": ">"}.get(exif[start : start + 2])
    made = bytearray(exif)
    try:
        link = _end_of_directory(
            exif, start, order, struct.unpack_from(f"{order}I", exif, start + 4)
        )
        second = struct.unpack_from(f"{order}I", exif, link)
        if order is None or not second[0]:
            return exif
        struct.pack_into("<I", made, link, 0)  # zero in any byte order
        found = _whole_numbers(exif, start, order, second)
    except struct.error:  # cut off, or no EXIF: it is handed on as it is
        return exif
    at, length = (found.get(code, 0) for code in THUMBNAIL)
    end = start + at + length
    if at and end >= len(exif) - 1:
        return bytes(made[: start + at])
    made[start + at : end] = bytes(len(made[start + at : end]) if at else 0)
    return bytes(made)


def iptc_of(photoshop: Mapping[int, Any] | None) -> bytes | None:
    """The IPTC record among a JPEG's resources of Photoshop, as Pillow gives them."""
    found = (photoshop or {}).get(IPTC)
    return found if isinstance(found, bytes) and found else None


def iptc_segment(iptc: bytes | None) -> bytes:
    """The segment APP13 of a JPEG with this record; nothing where it would not fit."""
    if not iptc:
        return b""
    resource = b"8BIM" + struct.pack(">HHI", IPTC, 0, len(iptc)) + iptc + b"\0" * (len(iptc) % 2)
    content = PHOTOSHOP + resource
    return (
        b"\xff\xed" + struct.pack(">H", len(content) + 2) + content if len(content) < 65534 else b""
    )


def _end_of_directory(exif: bytes, start: int, order: str | None, at: tuple[int]) -> int:
    """Where the link to the next directory stands."""
    (count,) = struct.unpack_from(f"{order}H", exif, start + at[0])
    return start + at[0] + 2 + 12 * count


def _whole_numbers(exif: bytes, start: int, order: str, at: tuple[int]) -> dict[int, int]:
    """Tags of a directory with one 32-bit number each."""
    end = _end_of_directory(exif, start, order, at)
    places = range(start + at[0] + 2, end, 12)
    tags = (struct.unpack_from(f"{order}HHII", exif, place) for place in places)
    return {code: value for code, kind, count, value in tags if (kind, count) == (4, 1)}


def _exif(exif: bytes, factor: int) -> bytes:
    """Its resolution, size and that of the sensor's pixels, where given."""
    known = Image.Exif()
    known.load(exif)
    tags = ExifTags.Base
    inner = known.get_ifd(ExifTags.IFD.Exif)
    for directory, codes in (
        (known, (tags.XResolution, tags.YResolution, tags.ImageWidth, tags.ImageLength)),
        (inner, (tags.ExifImageWidth, tags.ExifImageHeight)),
        (inner, (tags.FocalPlaneXResolution, tags.FocalPlaneYResolution)),
    ):
        for code in codes:
            if directory.get(code):
                directory[code] = directory[code] * factor
    return known.tobytes()


def _xmp(xmp: bytes, factor: int) -> bytes:
    """Sizes and resolutions that stand in it; thumbnails are left out."""
    xmp = re.sub(rb"<(xmp|xap):Thumbnails>.*?</\1:Thumbnails>", b"", xmp, flags=re.DOTALL)
    sizes = rb"(?:exif:PixelXDimension|exif:PixelYDimension|tiff:ImageWidth|tiff:ImageLength)"
    many = rb"(?:tiff:XResolution|tiff:YResolution)"
    for name in (sizes, many):
        pattern = rb"(" + name + rb"(?:\s*=\s*[\"']|>))(\d+)"
        xmp = re.sub(pattern, lambda m: m[1] + b"%d" % (factor * int(m[2])), xmp)
    return xmp


def _tiff(facts: Mapping[str, Any], factor: int) -> dict[str, Any]:
    """The tags of a TIFF; a description that no longer holds is left out."""
    point = any(_is_of_points(tag[3]) for tag in facts["tags"] if tag[0] == GEO_KEYS)
    tags = []
    for tag in facts["tags"]:
        code, dtype, _, value, once = tag
        change = CHANGES.get(code)
        if change is None:
            tags.append(tag)
        elif (changed := change(value, factor, point)) is not None:
            tags.append((code, dtype, _count(changed), changed, once))
    scale = facts.get("pixels")
    scale = None if scale is None else (scale[0] * factor, scale[1] * factor)
    return {**facts, "tags": tags, "pixels": scale}


def _count(value: Any) -> int:
    return len(value.encode()) + 1 if isinstance(value, str) else len(value)


def _description(text: str, factor: int, point: bool) -> str | None:
    """OME-XML with its sizes; ImageJ's words hold no size; others that tell a shape are left."""
    if "<OME" in text:
        return _ome(text, factor)
    return None if re.match(r'\s*\{.*"shape"', text, re.DOTALL) else text


def _ome(text: str, factor: int) -> str | None:
    try:
        root = ElementTree.fromstring(text.strip().encode())
    except ElementTree.ParseError:
        return None
    space = root.tag.partition("}")[0].lstrip("{")
    ElementTree.register_namespace("", space if space.startswith(OME) else OME)
    for pixels in root.iter(f"{{{space}}}Pixels"):
        for name, change in (("Size", lambda n: str(int(n) * factor)),
                             ("PhysicalSize", lambda n: repr(float(n) / factor))):  # fmt: skip
            for axis in "XY":
                if f"{name}{axis}" in pixels.attrib:
                    pixels.set(f"{name}{axis}", change(pixels.get(f"{name}{axis}")))
    words = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>{words}'


def _scale(value: tuple, factor: int, point: bool) -> tuple:
    return (value[0] / factor, value[1] / factor, *value[2:])


def _tiepoint(value: tuple, factor: int, point: bool) -> tuple:
    """(column, row, depth, x, y, z) of each point; columns from a corner, or a pixel's middle."""
    shift = 0.5 if point else 0.0
    moved = list(value)
    for at in range(0, len(value) - 5, 6):
        moved[at : at + 2] = [(v + shift) * factor - shift for v in value[at : at + 2]]
    return tuple(moved)


def _transformation(value: tuple, factor: int, point: bool) -> tuple:
    """The affine map of (column, row, depth, 1), by rows."""
    shift = 0.5 * (1 / factor - 1) if point else 0.0
    matrix = np.reshape(value, (4, 4)) @ np.array(
        [[1 / factor, 0, 0, shift], [0, 1 / factor, 0, shift], [0, 0, 1, 0], [0, 0, 0, 1]]
    )
    return tuple(matrix.ravel().tolist())


def _is_of_points(keys: tuple) -> bool:
    """Whether GeoTIFF's keys, four numbers each, say that values are of points."""
    return any(
        keys[at] == RASTER_TYPE and keys[at + 3] == POINT for at in range(4, len(keys) - 3, 4)
    )


CHANGES: dict[int, Callable[[Any, int, bool], Any]] = {
    DESCRIPTION: _description,
    XMP: lambda value, factor, point: _xmp(bytes(value), factor),
    SCALE: _scale,
    TIEPOINT: _tiepoint,
    TRANSFORMATION: _transformation,
}


def _interpolated(alpha: np.ndarray, factor: int) -> np.ndarray:
    size = (alpha.shape[1] * factor, alpha.shape[0] * factor)
    plane = Image.fromarray(alpha.astype(np.float32)).resize(size, Image.Resampling.BILINEAR)
    plane = np.asarray(plane)
    return (np.rint(plane) if alpha.dtype.kind == "u" else plane).astype(alpha.dtype)
