"""MATLAB files before version 7.3 (level 5), read within their own bytes.

Numbers, texts, cells and structs; objects, functions and sparse arrays are refused. Whatever sizes
a file declares, no more memory is taken than its unpacked bytes hold, and these are bounded too.
"""

import zlib
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .plain_files import content, size

LONGEST, SWOLLEN = 2 << 30, 100  # bytes of a file; how much larger than it is it may unpack to
HEADER, PACKED, MATRIX = 128, 15, 14
NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8",
           13: "u8", 16: "u1", 17: "u2", 18: "u4"}  # fmt: skip
CELL, STRUCT, TEXT = 1, 2, 4
KINDS = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8",
         15: "u8"}  # fmt: skip
COMPLEX = 0x800  # a flag of an array: imaginary parts follow the real ones
DEEPEST = 16


class Element(NamedTuple):
    """One tagged piece of a file."""

    kind: int
    data: memoryview


def read_matlab5(path: Path) -> dict[str, Any]:
    """The variables of a file: arrays, texts, lists (cells) and dictionaries (structs).

    A cell array is a flat list in MATLAB's order; an array of structs, a list of dictionaries, one
    struct the dictionary itself. ValueError for anything that is not whole; WeightsError where
    the file cannot be read.
    """
    whole = memoryview(content(path, LONGEST))
    order = {b"IM": "<", b"MI": ">"}.get(bytes(whole[126:HEADER]))
    if len(whole) < HEADER or order is None:
        raise ValueError("its header is not that of a MATLAB file")
    room = SWOLLEN * max(len(whole), 1 << 16)
    found = {}
    for element in _elements(whole[HEADER:], order):
        if element.kind == PACKED:
            unpacked = _unpacked(element.data, room)
            room -= len(unpacked)
            element = next(_elements(memoryview(unpacked), order))
        if element.kind == MATRIX:
            name, value = _matrix(element.data, order, 0)
            found[name] = value
    return found


def _unpacked(data: memoryview, room: int) -> bytes:
    stream = zlib.decompressobj()
    try:
        made = stream.decompress(data, room + 1)
    except zlib.error as error:
        raise ValueError(f"it is cut off or damaged: {error}") from None
    if len(made) > room:
        raise ValueError(f"it would unpack to more than {size(room)}")
    return made


def _elements(data: memoryview, order: str) -> Iterator[Element]:
    """The pieces that follow each other; ValueError where one goes beyond the end."""
    while len(data) >= 8:
        kind, length = np.frombuffer(data[:8], f"{order}u4").tolist()
        if kind >> 16:  # a small one: its length and kind in one word, its data in the other
            length, kind = kind >> 16, kind & 0xFFFF
            start, end, after = 4, 4 + length, 8
            fits = length <= 4
        else:
            start, end = 8, 8 + length
            after = end if kind == PACKED else end + -length % 8
            fits = end <= len(data)
        if not fits:
            raise ValueError(f"it is cut off: {size(length)} are declared that are not in it")
        yield Element(kind, data[start:end])
        data = data[after:]


def _matrix(data: memoryview, order: str, depth: int) -> tuple[str, Any]:
    """The name and the value of an array, with all that lies in it."""
    if depth > DEEPEST:
        raise ValueError(f"it is nested more than {DEEPEST} deep")
    if not len(data):
        return "", np.zeros((0, 0))  # as MATLAB writes what is empty
    parts = _elements(data, order)
    try:
        flags, sizes, name = (_numbers(next(parts), order) for _ in range(3))
        kind = int(flags[0]) & 0xFF
        shape = tuple(sizes.tolist())
        if kind in KINDS:
            value = _array(int(flags[0]), shape, parts, order)
        else:
            value = _value(kind, parts, order, depth)
    except (StopIteration, IndexError):
        raise ValueError("it is cut off within an array") from None
    return name.astype("u1").tobytes().decode("latin-1"), value


def _array(flags: int, shape: tuple, parts: Iterator[Element], order: str) -> np.ndarray:
    """Numbers in the type of the array, in which they need not be stored."""
    dtype = np.dtype(KINDS[flags & 0xFF])
    values = _numbers(next(parts), order).astype(dtype)
    if flags & COMPLEX:
        imaginary = _numbers(next(parts), order)
        if len(imaginary) != len(values):
            raise ValueError(
                f"an array has {len(values)} real and {len(imaginary)} imaginary parts"
            )
        values = (values + 1j * imaginary).astype("c8" if dtype == np.float32 else "c16")
    if any(n < 0 for n in shape) or prod(shape) != len(values):
        raise ValueError(f"an array of {shape} has {len(values)} values")
    return values.reshape(shape, order="F")


def _value(kind: int, parts: Iterator[Element], order: str, depth: int) -> Any:
    if kind == CELL:
        return [_within(part, order, depth) for part in parts]
    if kind == STRUCT:
        width = int(_numbers(next(parts), order)[0])
        letters = _numbers(next(parts), order).astype("u1").tobytes()
        if width < 1:
            raise ValueError("a struct of it has no names")
        cuts = (letters[i : i + width] for i in range(0, len(letters), width))
        names = [cut.split(b"\0")[0].decode("latin-1") for cut in cuts]
        values = [_within(part, order, depth) for part in parts]
        rows = [values[i : i + len(names)] for i in range(0, len(values), max(1, len(names)))]
        made = [dict(zip(names, row, strict=True)) for row in rows]
        return made[0] if len(made) == 1 else made
    if kind == TEXT:
        return "".join(map(chr, _numbers(next(parts), order).tolist()))
    raise ValueError(f"an array of it is of kind {kind}: objects and sparse arrays are not read")


def _within(part: Element, order: str, depth: int) -> Any:
    if part.kind != MATRIX:
        raise ValueError(f"kind {part.kind} stands where an array belongs")
    return _matrix(part.data, order, depth + 1)[1]


def _numbers(part: Element, order: str) -> np.ndarray:
    if part.kind not in NUMBERS:
        raise ValueError(f"kind {part.kind} stands where numbers belong")
    return np.frombuffer(part.data, order + NUMBERS[part.kind])
