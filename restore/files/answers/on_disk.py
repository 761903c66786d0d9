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
