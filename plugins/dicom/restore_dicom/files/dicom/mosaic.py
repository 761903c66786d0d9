"""Siemens mosaics: the slices of a volume as tiles of one picture, row by row."""

import struct
from math import isqrt

import numpy as np
from pydicom import Dataset

from ...geometry import Geometry, direction

CSA, CSA_CREATOR, CSA_ELEMENT = 0x0029, "SIEMENS CSA HEADER", 0x10
MR, MR_CREATOR, MR_ELEMENT = 0x0019, "SIEMENS MR HEADER", 0x0A


def is_mosaic(header: Dataset) -> bool:
    return "MOSAIC" in [str(value).upper() for value in header.get("ImageType") or []]


def untiled(picture: np.ndarray, count: int) -> np.ndarray:
    """(rows, columns) -> (count, rows / n, columns / n); n x n tiles, the last ones empty."""
    n = per_side(count)
    rows, columns = picture.shape
    if rows % n or columns % n:
        raise ValueError(f"a mosaic of {rows}x{columns} pixels has no {n}x{n} equal tiles")
    tiles = picture.reshape(n, rows // n, n, columns // n).swapaxes(1, 2)
    return tiles.reshape(n * n, rows // n, columns // n)[:count]


def tiled(slices: np.ndarray) -> np.ndarray:
    """Slices (z, y, x) side by side in one picture, the inverse of `untiled`.

    Tiles beyond the last slice are 0, as the scanner leaves them.
    """
    n = per_side(len(slices))
    count, rows, columns = slices.shape
    tiles = np.concatenate([slices, np.zeros((n * n - count, rows, columns), slices.dtype)])
    return tiles.reshape(n, n, rows, columns).swapaxes(1, 2).reshape(n * rows, n * columns)


def per_side(count: int) -> int:
    return isqrt(count - 1) + 1


def slices_of(header: Dataset) -> int:
    """The number of slices in a mosaic; ValueError where its private header does not say."""
    count = _private(header, MR, MR_CREATOR, MR_ELEMENT)
    if count is None:
        items = csa(header).get("NumberOfImagesInMosaic")
        count = items[0] if items else None
    if not count or int(count) < 1:
        raise ValueError(
            "a Siemens mosaic whose private header does not say how many slices it holds: convert "
            "it to NIfTI first"
        )
    return int(count)


def geometry_of(header: Dataset, count: int, thickness: float) -> Geometry | None:
    """The volume's; the mosaic's own position is that of a picture as large as all the tiles."""
    if any(header.get(k) is None for k in ("ImagePositionPatient", "ImageOrientationPatient")):
        return None
    row, column = direction(header.ImageOrientationPatient)
    down, across = (float(s) for s in header.PixelSpacing)
    n = per_side(count)
    left = (int(header.Columns) - int(header.Columns) // n) / 2 * across
    above = (int(header.Rows) - int(header.Rows) // n) / 2 * down
    position = np.array([float(p) for p in header.ImagePositionPatient])
    position = position + left * row + above * column
    normal = [float(v) for v in csa(header).get("SliceNormalVector", ())]
    against = len(normal) == 3 and np.dot(np.cross(row, column), normal) < 0
    step = -thickness if against else thickness
    return Geometry.from_dicom(position, header.ImageOrientationPatient, (down, across), step)


def csa(header: Dataset) -> dict[str, list[str]]:
    """The CSA image header ("SV10"): name -> values as text; empty where there is none.

    77 marks each part; a tag is a name of 64 bytes, five numbers, and items of four numbers and
    text padded to four bytes. Layout as nibabel documents it (Siemens format DICOM with CSA).
    """
    blob = _private(header, CSA, CSA_CREATOR, CSA_ELEMENT)
    if not isinstance(blob, bytes) or blob[:4] != b"SV10":
        return {}
    tags: dict[str, list[str]] = {}
    try:
        (count,) = struct.unpack_from("<I", blob, 8)
        at = 16
        for _ in range(count):
            name, items = struct.unpack_from("<64s12xi4x", blob, at)
            at += 84
            values = []
            for _ in range(items):
                (length,) = struct.unpack_from("<4xi", blob, at)
                text = blob[at + 16 : at + 16 + length].split(b"\0")[0].decode("latin-1").strip()
                at += 16 + -(-length // 4) * 4
                values += [text] if text else []
            tags[name.split(b"\0")[0].decode("latin-1")] = values
    except struct.error:
        raise ValueError("its private Siemens header (CSA) is cut off") from None
    return tags


def _private(header: Dataset, group: int, creator: str, element: int) -> object:
    try:
        return header.private_block(group, creator)[element].value
    except KeyError:
        return None
