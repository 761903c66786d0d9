"""Arrays out of a file that names foreign classes: they stay names, and nothing is run.

The pickle is followed in a process of its own, with no more than the standard library, without
files, and within limits of memory and time; what it tells of are names, shapes and places. The
values are then read here, from those places.
"""

import subprocess
import sys
import zipfile
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from ....errors import WeightsError
from ....untrusted.plain_files import opened
from ....untrusted.strict_json import parsed

SECONDS, MEMORY = 60, 1 << 30
DTYPES = {
    "DoubleStorage": torch.float64, "FloatStorage": torch.float32, "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16, "LongStorage": torch.int64, "IntStorage": torch.int32,
    "ShortStorage": torch.int16, "CharStorage": torch.int8, "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}  # fmt: skip


def salvaged(path: Path, kind: str) -> Any:
    """The tree of mappings, lists and arrays that a file of torch.save holds; the rest left out.

    WeightsError where that cannot be told within the limits.
    """
    told = _followed(path)
    try:
        with opened(path) as file:
            places = _archived(file) if kind == "torch" else _appended(file, told)
            return _rebuilt(told["tree"], places, {})
    except (ValueError, KeyError, TypeError, zipfile.BadZipFile, OSError, EOFError) as error:
        raise WeightsError(f"{path} cannot be salvaged: {error}") from None


def _followed(path: Path) -> dict[str, Any]:
    worker = Path(__file__).with_name("salvage_worker.py")
    command = [sys.executable, "-I", "-S", str(worker), str(SECONDS), str(MEMORY)]
    try:
        with opened(path) as file:
            done = subprocess.run(
                command, stdin=file, capture_output=True, timeout=2 * SECONDS, check=False, env={}
            )
    except subprocess.TimeoutExpired:
        raise WeightsError(f"{path} cannot be salvaged: it took too long") from None
    if done.returncode:
        words = done.stderr.decode("utf-8", "replace").strip().splitlines()
        why = words[-1][:200] if words else "it needs more memory or time than a salvage has"
        raise WeightsError(f"{path} cannot be salvaged: {why}")
    try:
        return parsed(done.stdout, deepest=200)
    except ValueError as error:
        raise WeightsError(f"{path} cannot be salvaged: {error}") from None


class Places:
    """Where the storages of a file lie: key -> (offset, bytes)."""

    def __init__(self, file: BinaryIO, places: dict[str, tuple[int, int]], little: bool = True):
        self.file, self.places, self.little = file, places, little
        if not little:
            raise ValueError("its values are stored in big-endian order")

    def read(self, key: str, dtype: torch.dtype, count: int) -> Tensor:
        offset, length = self.places[key]
        wanted = count * dtype.itemsize
        if wanted > length:
            raise ValueError(f"the storage {key} has {length} bytes, not {wanted}")
        if not wanted:
            return torch.empty(0, dtype=dtype)
        self.file.seek(offset)
        values = bytearray(self.file.read(wanted))
        if len(values) < wanted:
            raise ValueError(f"the storage {key} is cut off")
        return torch.frombuffer(values, dtype=dtype)


def _archived(file: BinaryIO) -> Places:
    """The members data/KEY of an archive, which `_scanned_archive` has found not compressed."""
    places, order = {}, b"little"
    with zipfile.ZipFile(file) as archive:
        for member in archive.infolist():
            _root, _, last = member.filename.partition("/")
            if last == "byteorder":
                order = archive.read(member)[:8]
            if last.startswith("data/"):
                file.seek(member.header_offset + 26)
                start = file.read(4)
                skip = int.from_bytes(start[:2], "little") + int.from_bytes(start[2:], "little")
                offset = member.header_offset + 30 + skip
                places[last.removeprefix("data/")] = (offset, member.file_size)
    return Places(file, places, order == b"little")


def _appended(file: BinaryIO, told: dict[str, Any]) -> Places:
    """The old format: after the pickles each storage with its count of values before it."""
    places, offset = {}, told["end"]
    for key in told["keys"]:
        file.seek(offset)
        count = int.from_bytes(file.read(8), "little")
        length = count * told["items"][key]
        places[key] = (offset + 8, length)
        offset += 8 + length
    return Places(file, places)


def _rebuilt(tree: Any, places: Places, read: dict[str, Tensor]) -> Any:
    if isinstance(tree, list):
        return [_rebuilt(item, places, read) for item in tree]
    if not isinstance(tree, dict):
        return tree
    if "of" in tree:
        return {name: _rebuilt(value, places, read) for name, value in tree["of"].items()}
    key, kind, count = tree["key"], tree["kind"], tree["count"]
    shape, stride, offset = tree["shape"], tree["stride"], tree["offset"]
    last = offset + sum((n - 1) * s for n, s in zip(shape, stride, strict=True))
    if prod(shape) and not 0 <= last < count:
        raise ValueError("an array reaches beyond its storage")
    if prod(shape) > count:
        raise ValueError("an array repeats its storage")
    if key not in read:
        read[key] = places.read(key, DTYPES[kind], count)
    return read[key].as_strided(shape, stride, offset).clone()
