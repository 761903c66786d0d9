"""Arrays that wait in temporary files: sequences longer than memory, a frame of which is held.

Files are mapped: what of them was touched stays in memory until `let_go`, or until the system needs
the room.
"""

import math
import mmap
import os
import tempfile
import weakref
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import DTypeLike
from torch import Tensor

T = TypeVar("T")
HELD = 1 << 25  # bytes of an array that is held in memory all the same
PART = 1 << 22  # values that `parts` gives at once
_MAPS: weakref.WeakSet[mmap.mmap] = weakref.WeakSet()


def on_disk(shape: Sequence[int], kind: DTypeLike) -> np.ndarray:
    """Zeros in a file that is gone when they are; in memory where they are 32 MiB or less.

    OSError where the disk of the temporary folder has no room for them.
    """
    count, kind = math.prod(shape), np.dtype(kind)
    if count * kind.itemsize <= HELD:
        return np.zeros(shape, kind)
    with tempfile.TemporaryFile() as file:
        if hasattr(os, "posix_fallocate"):  # else a full disk would end the process later
            os.posix_fallocate(file.fileno(), 0, count * kind.itemsize)
        else:
            file.truncate(count * kind.itemsize)
        pages = mmap.mmap(file.fileno(), count * kind.itemsize)
    _MAPS.add(pages)
    return np.frombuffer(pages, kind, count).reshape(shape)


def filled(frames: Iterable[np.ndarray], shape: Sequence[int], kind: DTypeLike) -> np.ndarray:
    """An array on disk of frames that come one after the other; shape: (frames, *size)."""
    array = on_disk(shape, kind)
    for k, frame in enumerate(each(frames)):
        array[k] = frame
    return array


def write_at(path: Path, value: Tensor, k: int, count: int, axis: int | None) -> None:
    """Write number k of `count` values into a NumPy file, float32, which the first one begins.

    axis: along which they are joined, where each has length 1; None: a new one, the first.
    OSError where the disk is full.
    """
    array = np.ascontiguousarray(value.numpy(), np.float32)
    array = array[None] if axis is None else array
    axis = axis or 0
    with open(path, "r+b" if path.exists() else "w+b") as file:
        if not file.seek(0, os.SEEK_END):
            shape = (*array.shape[:axis], count, *array.shape[axis + 1 :])
            head = np.lib.format.header_data_from_array_1_0(array)
            np.lib.format.write_array_header_1_0(file, {**head, "shape": shape})
            file.truncate(file.tell() + count * array.nbytes)
        start = os.path.getsize(path) - count * array.nbytes
        blocks = array.reshape(math.prod(array.shape[:axis]), -1)
        for number, block in enumerate(blocks):
            file.seek(start + (number * count + k) * block.nbytes)
            file.write(block.tobytes())


def each(items: Iterable[T]) -> Iterator[T]:
    """The items, one after the other; what was touched of arrays on disk is let go after each."""
    for item in items:
        yield item
        let_go()


def parts(signal: Tensor) -> Iterator[Tensor]:
    """All values of a signal, flat, some at a time."""
    return each(signal.flatten().split(PART))


def as_kind(signal: Tensor) -> DTypeLike:
    """The kind of numbers of a signal, as numpy has it."""
    return torch.empty(0, dtype=signal.dtype).numpy().dtype


def let_go() -> None:
    """Give back the memory of all arrays on disk; they are read again when they are asked for."""
    if hasattr(mmap, "MADV_DONTNEED"):  # not on Windows
        for pages in tuple(_MAPS):
            pages.madvise(mmap.MADV_DONTNEED)
