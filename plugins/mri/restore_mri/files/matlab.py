"""k-space in MATLAB files: version 5 by the engine, version 7.3, which is HDF5, by h5py.

MATLAB's axes are (ky, kx) or (ky, kx, coil); axes of one entry are dropped.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from restore_dicom.files.bounded import loaded

from restore.files.task import Record
from restore.measurement.checks import sizes
from restore.untrusted.matlab5 import read_matlab5

from ..kspace.cartesian import cartesian
from .numpy_arrays import the_complex_one

SIGNATURE = b"\x89HDF\r\n\x1a\n"


def read(path: Path) -> Record:
    """The one complex array of the file or of its structures, or that called kspace."""
    arrays = dict(_of_hdf5(path) if _is_hdf5(path) else _of_version_5(path))
    name = the_complex_one({name: (a.dtype, a.shape) for name, a in arrays.items()})
    found = arrays[name]
    samples = planes(found)
    said = f"{name}, {sizes(found.shape)} in MATLAB, became (slice, coil, ky, kx)"
    return cartesian(samples, path, "matlab", converted=[said])


def planes(array: np.ndarray) -> np.ndarray:
    """MATLAB's axes -> (slice, coil, ky, kx).

    Of three axes the shortest, first or last, is the coils: (ky, kx, coil) or (coil, ky, kx).
    ValueError for more axes than that: coils and slices would be a guess.
    """
    squeezed = array.squeeze()
    if squeezed.ndim == 2:
        return squeezed[None, None]
    shortest = int(np.argmin(squeezed.shape)) if squeezed.ndim == 3 else None
    unclear = shortest is not None and squeezed.shape.count(squeezed.shape[shortest]) > 1
    if shortest in (None, 1) or unclear:
        raise ValueError(
            f"its array is {sizes(array.shape)}: which axes are coils and slices is not said; give "
            "(ky, kx, coil), coils the fewest, or .npy with (slice, coil, ky, kx)"
        )
    return np.moveaxis(squeezed, shortest, 0)[None]


def _is_hdf5(path: Path) -> bool:
    """Whether HDF5's signature stands at 0, or behind MATLAB's block of 512 bytes."""
    with open(path, "rb") as file:
        head = file.read(512 + len(SIGNATURE))
    return head.startswith(SIGNATURE) or head[512:] == SIGNATURE


def _of_version_5(path: Path) -> Iterator[tuple[str, np.ndarray]]:
    for name, value in read_matlab5(path).items():
        yield from _inside(name, value)


def _inside(name: str, value: Any) -> Iterator[tuple[str, np.ndarray]]:
    """An array, or the arrays of a structure as structure.field."""
    if isinstance(value, np.ndarray):
        yield name, value
    elif isinstance(value, dict):
        for field, inner in value.items():
            yield from _inside(f"{name}.{field}", inner)


def _of_hdf5(path: Path) -> Iterator[tuple[str, np.ndarray]]:
    with h5py.File(path) as file:
        found: dict[str, h5py.Dataset] = {}

        def note(name: str, item: h5py.Group | h5py.Dataset) -> None:
            if isinstance(item, h5py.Dataset) and not name.startswith("#"):
                found[name.replace("/", ".")] = item

        file.visititems(note)
        for name, item in found.items():
            if item.dtype.names == ("real", "imag"):
                parts = loaded(item)
                yield name, (parts["real"] + 1j * parts["imag"]).T  # HDF5 has them backwards
            elif item.dtype.kind in "fiubc":
                yield name, loaded(item).T
