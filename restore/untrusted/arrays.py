"""Arrays of NumPy out of files that nobody vouches for: .npy and .npz, numbers only.

A header is looked at before it is parsed, and its sizes before memory is taken; members of an
archive are read when they are asked for.
"""

import math
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.lib import format as npy

from .bounds import refuse_bomb

LONGEST = 10_000  # bytes of a header
NESTED = 40  # brackets of a header: a shape and a record of some fields


def is_archive(path: Path) -> bool:
    """Whether a file is one of many arrays, whatever its name says."""
    with open(path, "rb") as file:
        return file.read(4) in (b"PK\3\4", b"PK\5\6")


def read_array(path: Path) -> np.ndarray:
    """The one array of a file. ValueError for archives, objects, and what is broken or cut off."""
    if is_archive(path):
        raise ValueError("it is an archive of arrays, not one array; call it .npz")
    with open(path, "rb") as file:
        size = path.stat().st_size
        return _array(file, size, size)


class Archive(Mapping[str, np.ndarray]):
    """The arrays of an .npz file by name, each read when it is asked for."""

    def __init__(self, path: Path):
        try:
            with zipfile.ZipFile(path) as archive:
                self._members = {m.filename.removesuffix(".npy"): m for m in archive.infolist()}
        except zipfile.BadZipFile:
            raise ValueError("it is no archive of arrays, or it is cut off") from None
        self._path = path

    def __getitem__(self, name: str) -> np.ndarray:
        member = self._members[name]
        with zipfile.ZipFile(self._path) as archive, archive.open(member) as file:
            return _array(file, member.file_size, member.compress_size)

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def kinds(self) -> dict[str, tuple[np.dtype, tuple[int, ...]]]:
        """What the headers say: name -> its type and shape."""
        found = {}
        with zipfile.ZipFile(self._path) as archive:
            for name, member in self._members.items():
                with archive.open(member) as file:
                    shape, _, dtype = _header(file)
                    found[name] = dtype, shape
        return found


def _array(file: BinaryIO, size: int, stored: int) -> np.ndarray:
    """size: bytes that the file has; stored: those it takes on the disk."""
    shape, fortran, dtype = _header(file)
    count, at = math.prod(shape), file.tell()
    refuse_bomb(count, stored)
    if at + count * dtype.itemsize > size:
        raise ValueError(f"it is cut off: {size - at} of {count * dtype.itemsize} bytes")
    values = np.frombuffer(file.read(count * dtype.itemsize), dtype)
    return values.reshape(shape, order="F" if fortran else "C").copy()


def _header(file: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, whether its first axis runs fastest, and type."""
    head = file.read(12)
    if head[:6] != b"\x93NUMPY" or head[6] not in (1, 2, 3):
        raise ValueError("it is no array of NumPy (its first bytes are not those of one)")
    start, length = (10, head[8:10]) if head[6] == 1 else (12, head[8:12])
    size = int.from_bytes(length, "little")
    file.seek(start)
    text = file.read(size) if size <= LONGEST else b""
    if not text or len(text) < size or sum(text.count(b) for b in (b"(", b"[", b"{")) > NESTED:
        raise ValueError("the header of its array is broken")
    file.seek(8)
    read = npy.read_array_header_1_0 if head[6] == 1 else npy.read_array_header_2_0
    try:
        shape, fortran, dtype = read(file, max_header_size=LONGEST)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        raise ValueError("the header of its array is broken") from None
    if dtype.hasobject:
        raise ValueError("it holds Python's objects, which are not read; save numbers")
    if any(n < 0 for n in shape):
        raise ValueError(f"its sizes are {shape}")
    return shape, fortran, dtype
