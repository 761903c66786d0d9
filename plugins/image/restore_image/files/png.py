"""PNG where Pillow stops short: 16 bits a channel in colour, and chunks kept word for word.

The format: W3C, Portable Network Graphics (PNG) Specification, third edition.
"""

import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

SIGNATURE = b"\x89PNG\r\n\x1a\n"
# what says how colours and words are meant, and is true of the restored picture too
KEPT = (b"sRGB", b"gAMA", b"cHRM", b"cICP", b"tEXt", b"zTXt", b"iTXt")
COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}  # by the number of channels
BAND = 256  # rows filtered at a time


def kept_chunks(path: Path) -> list[tuple[bytes, bytes]]:
    """The chunks that a restored picture keeps, in their order; (name, content)."""
    return [(name, content) for name, content in _chunks(path) if name in KEPT]


def resolution(path: Path) -> tuple[float, float, str] | None:
    """(across, down, "metre") where the file says it."""
    for name, content in _chunks(path):
        if name == b"pHYs":
            across, down, unit = struct.unpack(">IIB", content)
            return (across, down, "metre") if unit == 1 else None
    return None


def write(
    file: BinaryIO,
    pixels: np.ndarray,
    *,
    icc: bytes | None = None,
    exif: bytes | None = None,
    resolution: tuple[float, float, str] | None = None,
    chunks: Sequence[tuple[bytes, bytes]] = (),
) -> None:
    """(height, width, channels) of uint8 or uint16, every bit of it."""
    height, width, channels = pixels.shape
    depth = 8 * pixels.itemsize
    header = struct.pack(">IIBBBBB", width, height, depth, COLOUR_TYPES[channels], 0, 0, 0)
    file.write(SIGNATURE + _chunk(b"IHDR", header))
    colour = [(name, content) for name, content in chunks if not name.endswith(b"Xt")]
    if icc is not None:
        file.write(_chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(icc)))
        colour = [(name, content) for name, content in colour if name != b"sRGB"]  # not both
    for name, content in colour:
        file.write(_chunk(name, content))
    if resolution is not None:
        across, down, unit = resolution
        metres = {"inch": 0.0254, "cm": 0.01, "metre": 1.0}[unit]
        content = struct.pack(">IIB", round(across / metres), round(down / metres), 1)
        file.write(_chunk(b"pHYs", content))
    if exif is not None:
        file.write(_chunk(b"eXIf", exif.removeprefix(b"Exif\0\0")))
    for name, content in chunks:
        if name.endswith(b"Xt"):
            file.write(_chunk(name, content))
    packer = zlib.compressobj(6)
    for rows in _filtered(pixels):
        packed = packer.compress(rows)
        if packed:
            file.write(_chunk(b"IDAT", packed))
    file.write(_chunk(b"IDAT", packer.flush()) + _chunk(b"IEND", b""))


def _filtered(pixels: np.ndarray) -> Iterator[bytes]:
    """Rows as bytes, each less its Paeth prediction (filter type 4), a band at a time."""
    height, step = len(pixels), pixels.shape[2] * pixels.itemsize
    big_endian = pixels.astype(pixels.dtype.newbyteorder(">"), copy=False)
    rows = np.ascontiguousarray(big_endian).view(np.uint8).reshape(height, -1)
    above = np.zeros((1, step + rows.shape[1]), np.uint8)
    for start in range(0, height, BAND):
        here = np.pad(rows[start : start + BAND], ((0, 0), (step, 0)))
        up = np.concatenate([above, here[:-1]])
        left, top, corner = here[:, :-step], up[:, step:], up[:, :-step]
        filtered = here[:, step:] - _paeth(left, top, corner)
        yield np.pad(filtered, ((0, 0), (1, 0)), constant_values=4).tobytes()
        above = here[-1:]


def _paeth(left: np.ndarray, top: np.ndarray, corner: np.ndarray) -> np.ndarray:
    """Whichever neighbour lies nearest to left + top - corner; ties in this order (section 9.4)."""
    a, b, c = (side.astype(np.int16) for side in (left, top, corner))
    to_a, to_b, to_c = abs(b - c), abs(a - c), abs(a + b - 2 * c)
    top_or_corner = np.where(to_b <= to_c, top, corner)
    return np.where((to_a <= to_b) & (to_a <= to_c), left, top_or_corner)


def _chunk(name: bytes, content: bytes) -> bytes:
    return (
        struct.pack(">I", len(content))
        + name
        + content
        + struct.pack(">I", zlib.crc32(content, zlib.crc32(name)))
    )


def _chunks(path: Path) -> Iterator[tuple[bytes, bytes]]:
    with open(path, "rb") as file:
        file.seek(len(SIGNATURE))
        while len(head := file.read(8)) == 8:
            length, name = struct.unpack(">I4s", head)
            if name in (b"IDAT", b"IEND"):
                file.seek(length + 4, 1)
                continue
            yield name, file.read(length)
            file.seek(4, 1)
