"""Readers of k-space and writers of what is restored from it: which module takes which file.

Every reader is path -> Record of kind `kspace`, every writer (record, path) -> None. What is broken
or unknown is a ValueError of one line that names the file; a file is written whole or not at all.
"""

from pathlib import Path

import h5py
import numpy as np
import scipy.io

from restore.atomic import atomic_file
from restore.files.naming import naming
from restore.files.task import Record

from . import bart, fastmri, matlab, numpy_arrays, pictures
from .ismrmrd import reading


def read_hdf5(path: str | Path) -> Record:
    """fastMRI's layout, our own k-space files, or ISMRMRD, told apart by what is inside."""
    path = Path(path)
    with naming(path), h5py.File(path) as file:
        if isinstance(file.get("kspace"), h5py.Dataset):
            return fastmri.read(file, path)
        groups = [g for g in file.values() if isinstance(g, h5py.Group) and {"xml", "data"} <= {*g}]
        if len(groups) == 1:
            return reading.read(groups[0], path)
        held = ", ".join(file) or "nothing"
        raise ValueError(
            f"it holds {held}; fastMRI files hold kspace, ISMRMRD ones a group of xml and data"
        )


def read_numpy(path: str | Path) -> Record:
    """.npy and .npz of complex numbers."""
    path = Path(path)
    with naming(path):
        return numpy_arrays.read(path)


def read_matlab(path: str | Path) -> Record:
    """.mat of version 5 or 7.3."""
    path = Path(path)
    with naming(path):
        return matlab.read(path)


def read_bart(path: str | Path) -> Record:
    """.cfl and .hdr, by either name."""
    path = Path(path)
    with naming(path):
        return bart.read(path)


def write_hdf5(record: Record, path: str | Path) -> None:
    """Pictures in fastMRI's layout; k-space such that read_hdf5 gives the same again."""
    path = Path(path)
    write = fastmri.write if record.kind == "kspace" else pictures.write_hdf5
    with naming(path), atomic_file(path) as stream, h5py.File(stream, "w") as file:
        write(file, record)


def write_npy(record: Record, path: str | Path) -> None:
    """(slice, y, x): the complex picture where the record has one, otherwise magnitudes."""
    path = Path(path)
    with naming(path), atomic_file(path) as stream:
        np.save(stream, pictures.single(record))


def write_npz(record: Record, path: str | Path) -> None:
    """All arrays of the record by their names, and the affine."""
    path = Path(path)
    with naming(path), atomic_file(path) as stream:
        np.savez_compressed(stream, **pictures.arrays(record), **pictures.placed(record))


def write_matlab(record: Record, path: str | Path) -> None:
    """All arrays of the record by their names, version 5, axes (y, x, slice)."""
    path = Path(path)
    with naming(path), atomic_file(path) as stream:
        found = pictures.arrays(record)
        turned = {name: np.moveaxis(array, (-2, -1), (0, 1)) for name, array in found.items()}
        scipy.io.savemat(stream, {**turned, **pictures.placed(record)}, do_compression=True)


def write_bart(record: Record, path: str | Path) -> None:
    """Both files, whichever is named."""
    header, data = bart.pair(Path(path))
    with naming(Path(path)):
        array = pictures.single(record)
        with atomic_file(header) as words, atomic_file(data) as numbers:
            bart.write(array, words, numbers)
