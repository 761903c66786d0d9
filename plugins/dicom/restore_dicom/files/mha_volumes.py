"""MetaImage of four axes: each volume is restored by itself, all become one file again."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from restore.files.naming import naming
from restore.files.task import Pieces, Record

from . import mha
from .volume import bright, volume, voxels

MHA = {".mha", ".mhd"}


def mha_volumes_of(path: Path) -> "MhaVolumes | None":
    """The volumes of a MetaImage that holds several; None for one volume, and for other files."""
    if not path.is_file() or path.suffix.lower() not in MHA:
        return None
    with naming(path):
        with open(path, "rb") as file:
            fields, _ = mha.parsed(file.read(mha.HEAD))
        size = mha.sizes_of(fields)
    return MhaVolumes(path, math.prod(size[3:])) if math.prod(size[3:]) > 1 else None


class MhaVolumes(Pieces):
    """The volumes of a file as records, in order; "brightest" of their meta as in `Volumes`."""

    formats = (".mha", ".mhd")

    def __init__(self, path: Path, count: int):
        self.path, self.count = path, count

    def __iter__(self) -> Iterator[Record]:
        with naming(self.path):
            fields, rest = mha.parsed(self.path.read_bytes())
            size = mha.sizes_of(fields)
            data = mha.data_of(self.path, fields, rest, math.prod(size))
            values = mha.elements(data, fields, size).reshape(self.count, *size[2::-1])
            geometry = mha.geometry_of(fields, len(size))
            brightest = max(bright(one) for one in values)
            for one in values:
                yield volume(
                    one, self.path, format="mha", geometry=geometry, mha=fields, brightest=brightest
                )

    @contextmanager
    def joined(self, folder: Path) -> Iterator[Callable[[str, Record], None]]:
        """What writes each volume's records behind those before, into files of the folder."""
        files: dict[str, Path] = {}

        def join(name: str, record: Record) -> None:
            path = folder / name
            if name not in files:
                files[name] = _begun(path, record.meta["mha"])
            with open(files[name], "ab") as file:
                file.write(voxels(record, path).astype("<f4").tobytes())

        yield join


def _begun(path: Path, fields: dict[str, str]) -> Path:
    """The file that the elements go to, floats unpacked; the header is written."""
    beside = path.with_suffix(".raw")
    local = path.suffix.lower() == ".mha"
    path.write_bytes(mha.header_of_floats(fields, "LOCAL" if local else beside.name))
    return path if local else beside
