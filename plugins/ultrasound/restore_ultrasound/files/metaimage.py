"""Frames of a MetaImage file, read one after the other; and its header, without what follows it."""

import math
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from restore_dicom.files import mha

from restore.untrusted.bounds import refuse_bomb

BLOCK = 1 << 20  # packed bytes that are read at once


def header(path: Path) -> tuple[dict[str, str], int]:
    """The fields in their order, and the place of the byte after them.

    ValueError where no line says ElementDataFile.
    """
    lines = []
    with open(path, "rb") as file:
        while line := file.readline(mha.LINE):
            lines.append(line)
            key, equals, _ = line.partition(b"=")
            unknown = not equals and line.strip()
            if key.strip() == b"ElementDataFile" or unknown or len(line) >= mha.LINE:
                break
        return mha.parsed(b"".join(lines))[0], file.tell()


def frames(
    path: Path, fields: Mapping[str, str], place: int, shape: Sequence[int]
) -> Iterator[np.ndarray]:
    """Each frame's elements, (y, x); shape: (frames, y, x), place: that of `header`.

    ValueError where they are cut off, broken, or more than the file's bytes can hold.
    """
    holder, dtype = mha.holder_of(path, fields), mha.element_type(fields)
    if fields.get("BinaryData", "True").lower() == "false" or fields["ElementType"] in mha.LONGS:
        with open(holder, "rb") as file:  # numbers as text, or of 4 or 8 bytes: by their whole
            file.seek(place if holder == path else 0)
            data = mha.data_of(path, {**fields, "ElementDataFile": "LOCAL"}, file.read(), 1)
        yield from mha.elements(data, fields, list(shape)).reshape(shape)
        return
    total, one = (math.prod(sizes) * dtype.itemsize for sizes in (shape, shape[1:]))
    with open(holder, "rb") as file:
        file.seek(place if holder == path else 0)
        take = _taking(file, fields, math.prod(shape), total)
        for k in range(shape[0]):
            if len(data := take(one)) < one:
                mha.enough(k * one + len(data), total, "bytes")
            yield np.frombuffer(data, dtype).reshape(shape[1:])
        if len(take(one)) == one:
            raise ValueError(f"it tells of {shape[0]} frames and holds more")


def _taking(
    file: BinaryIO, fields: Mapping[str, str], count: int, total: int
) -> Callable[[int], bytes]:
    """What gives the next so many bytes of the elements, unpacked; fewer at the end."""
    head, place = int(fields.get("HeaderSize", 0)), file.tell()
    size = file.seek(0, 2)
    file.seek(place)
    take = file.read
    if mha.packed(fields):
        refuse_bomb(count, size - place)
        take = _inflating(file)
    elif head == -1:  # the elements are the file's last bytes
        file.seek(max(size - total, place))
    if head > 0:
        take(head)
    return take


def _inflating(file: BinaryIO) -> Callable[[int], bytes]:
    stream, left = zlib.decompressobj(), b""

    def take(count: int) -> bytes:
        nonlocal left
        made = bytearray()
        try:
            while len(made) < count and not stream.eof:
                left = left or file.read(BLOCK)
                if not left:
                    break
                made += stream.decompress(left, count - len(made))
                left = stream.unconsumed_tail
        except zlib.error as error:
            raise ValueError(f"its compressed bytes are broken ({error})") from None
        return bytes(made)

    return take
