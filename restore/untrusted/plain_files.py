"""Plain files only: no device, no pipe, no link into a circle, and no more bytes than expected."""

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ..errors import WeightsError

CHUNK = 1 << 22
KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)


@contextmanager
def opened(path: Path, most: int | None = None) -> Iterator[BinaryIO]:
    """The file, open for reading. WeightsError unless it is a plain file of at most `most` bytes.

    A link is followed, as caches of models consist of them; what it leads to is looked at, and
    opening never waits for a writer.
    """
    try:
        _look(path, os.stat(path), most)  # before opening: a device may act when it is opened
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | _binary())
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {_reason(error)}") from None
    except ValueError:  # a name with a null character
        raise WeightsError(f"{str(path)!r} is no name of a file") from None
    with os.fdopen(handle, "rb") as file:
        _look(path, os.fstat(file.fileno()), most)  # the file may have changed in between
        yield file


def content(path: Path, most: int) -> bytes:
    """The whole of a plain file. WeightsError as for `opened`, or where it goes on growing."""
    with opened(path, most) as file:
        try:
            read = file.read(most + 1)
        except OSError as error:
            raise WeightsError(f"{path} cannot be read: {_reason(error)}") from None
    if len(read) > most:
        raise WeightsError(f"{path} does not end after {size(most)}")
    return read


def sha256(path: Path) -> str:
    """The checksum of a plain file as hexadecimal digits, read piece by piece."""
    digest = hashlib.sha256()
    with opened(path) as file:
        left = os.fstat(file.fileno()).st_size
        while left > 0 and (piece := file.read(min(CHUNK, left))):
            digest.update(piece)
            left -= len(piece)
    return digest.hexdigest()


def size(count: float) -> str:
    """9.2 MB"""
    units = iter(("bytes", "kB", "MB", "GB"))
    unit = next(units)
    while count >= 1000 and unit != "GB":
        count, unit = count / 1000, next(units)
    return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"


def _look(path: Path, found: os.stat_result, most: int | None) -> None:
    for is_kind, kind in KINDS:
        if is_kind(found.st_mode):
            raise WeightsError(f"{path} is {kind}, not a file")
    if most is not None and found.st_size > most:
        raise WeightsError(f"{path} has {size(found.st_size)}; at most {size(most)} are read")


def _binary() -> int:
    return getattr(os, "O_BINARY", 0)


def _reason(error: OSError) -> str:
    if error.errno == errno.ELOOP:
        return "its links lead into a circle"
    if error.errno == errno.ENOENT:
        return "there is no such file"
    return (error.strerror or type(error).__name__).lower()
