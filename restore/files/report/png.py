"""PNG files from 8-bit pixels, and nothing else of the format (W3C PNG, third edition, 2025)."""

import struct
import zlib

import numpy as np

SIGNATURE = b"\x89PNG\r\n\x1a\n"
BAND = 64  # rows filtered at a time: memory stays flat for a picture of any height


def encode(pixels: np.ndarray) -> bytes:
    """A PNG file; pixels: (height, width) grey or (height, width, 3) RGB, uint8.

    Raises TypeError for another dtype and ValueError for another shape.
    """
    if pixels.dtype != np.uint8:
        raise TypeError(f"png.encode takes uint8 pixels, got {pixels.dtype}")
    if not (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 3)) or 0 in pixels.shape:
        raise ValueError(f"png.encode takes (height, width) or (height, width, 3): {pixels.shape}")
    colour = pixels.ndim == 3
    height, width = pixels.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, 8, 2 if colour else 0, 0, 0, 0)
    rows = pixels.reshape(height, -1)
    return (
        SIGNATURE
        + _chunk(b"IHDR", header)
        + _chunk(b"IDAT", _compress(rows, 3 if colour else 1))
        + _chunk(b"IEND", b"")
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _compress(rows: np.ndarray, step: int) -> bytes:
    packer = zlib.compressobj(9)
    padded = np.vstack([np.zeros_like(rows[:1]), rows])
    parts = [
        packer.compress(_filtered(padded[start : start + BAND + 1], step).tobytes())
        for start in range(0, len(rows), BAND)
    ]
    return b"".join([*parts, packer.flush()])


def _filtered(rows: np.ndarray, step: int) -> np.ndarray:
    """Each row but the first: its filter that leaves the least (section 12.7), and what it leaves.

    step: bytes from a pixel to its left neighbour.
    """
    here, up = rows[1:].astype(np.int16), rows[:-1].astype(np.int16)
    left, corner = np.zeros_like(here), np.zeros_like(here)
    left[:, step:], corner[:, step:] = here[:, :-step], up[:, :-step]
    guesses = np.stack([np.zeros_like(here), left, up, (left + up) // 2, _paeth(left, up, corner)])
    rest = (here - guesses).astype(np.uint8)
    cost = np.abs(rest.view(np.int8).astype(np.int32)).sum(2)
    best = cost.argmin(0)
    chosen = rest[best, np.arange(len(best))]
    return np.hstack([best[:, None].astype(np.uint8), chosen])


def _paeth(left: np.ndarray, up: np.ndarray, corner: np.ndarray) -> np.ndarray:
    """The neighbour nearest to left + up - corner, in the standard's order of ties."""
    by_left, by_up = np.abs(up - corner), np.abs(left - corner)
    by_corner = np.abs(left + up - 2 * corner)
    take_left = (by_left <= by_up) & (by_left <= by_corner)
    return np.where(take_left, left, np.where(by_up <= by_corner, up, corner))
