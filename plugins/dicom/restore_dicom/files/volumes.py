"""NIfTI of more than three axes: each volume is restored by itself, all become one file again."""

import gzip
import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

from restore.files.naming import naming
from restore.files.task import Pieces, Record

from ..geometry import Geometry
from . import nifti
from .derived.derivation import WARNING
from .mha_volumes import mha_volumes_of
from .volume import bright, volume, voxels


def volumes_of(path: Path, chains: int) -> Pieces | None:
    """The volumes of a NIfTI or MetaImage that holds several; None for one, and for other files."""
    if not path.is_file() or not nifti.is_name(path):
        return mha_volumes_of(path)
    with naming(path):
        count = math.prod(nifti.header_of(path).get_data_shape()[3:])
    return Volumes(path, count) if count > 1 else None


class Volumes(Pieces):
    """The volumes of a file as records, in order.

    Each has in meta "brightest", the largest 99th percentile of a volume in the file: what noise
    that is a share of brightness is a share of, as all volumes have the same noise.
    """

    formats = (".nii", ".nii.gz")

    def __init__(self, path: Path, count: int):
        self.path, self.count = path, count

    def __iter__(self) -> Iterator[Record]:
        with naming(self.path):
            image = nifti.opened(self.path)
            geometry, further = Geometry(image.affine), image.shape[3:]
            places = [np.unravel_index(t, further, order="F") for t in range(self.count)]
            brightest = max(bright(image.dataobj[(..., *at)]) for at in places)
            for at in places:
                values = np.asarray(image.dataobj[(..., *at)], np.float32)
                yield volume(
                    values.transpose(2, 1, 0),
                    self.path,
                    format="nifti",
                    geometry=geometry,
                    nifti=image.header.copy(),
                    shape=values.shape,
                    brightest=brightest,
                )

    @contextmanager
    def joined(self, folder: Path) -> Iterator[Callable[[str, Record], None]]:
        """What writes each volume's records behind those before, into files of the folder."""
        files: dict[str, BinaryIO] = {}
        with ExitStack() as stack:

            def join(name: str, record: Record) -> None:
                path = folder / name
                header = _header(record)
                if name not in files:
                    file = stack.enter_context(open(path, "wb"))
                    if path.suffix == ".gz":
                        packed = gzip.GzipFile("", "wb", 1, file, mtime=0)
                        file = stack.enter_context(packed)
                    files[name] = file
                    header.write_to(file)
                    file.write(bytes(int(header["vox_offset"]) - file.tell()))
                numbers = voxels(record, path).astype(f"{header.endianness}f4")
                files[name].write(numbers.tobytes())  # (z, y, x): x runs fastest, as on file

            yield join


def _header(record: Record) -> nifti.Nifti1Header:
    """The header of the whole file, for floats."""
    header = record.meta["nifti"].copy()
    header.set_data_dtype(np.float32)
    header.set_slope_inter(1, 0)
    header["descrip"] = WARNING.encode()
    header["magic"] = header.single_magic
    least = header.single_vox_offset + header.extensions.get_sizeondisk()
    header["vox_offset"] = max(least, 16 * math.ceil(least / 16))
    return header
