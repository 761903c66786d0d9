"""k-space in NumPy files: (ky, kx), (coil, ky, kx) or (slice, coil, ky, kx), by their number."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from restore.files.task import Record
from restore.measurement.checks import sizes
from restore.untrusted.arrays import Archive, is_archive, read_array

from ..kspace.cartesian import cartesian

NAME = "kspace"  # the array of this name is k-space, whatever others there are


def read(path: Path) -> Record:
    """.npy, one array; .npz, one complex array among all, or that called kspace.

    Beside it an archive may hold `mask`, (kx,), (ky, kx) or (slice, ky, kx), and `maps`,
    (coil, ky, kx) or (slice, coil, ky, kx).
    """
    if not is_archive(path):
        return cartesian(by_rank(read_array(path)), path, "npy")
    arrays = Archive(path)
    name = the_complex_one(arrays.kinds())
    samples = by_rank(arrays[name])
    return cartesian(samples, path, "npz", **beside(arrays, samples.shape))


def by_rank(array: np.ndarray) -> np.ndarray:
    """(slice, coil, ky, kx); ValueError for real arrays and other numbers of axes."""
    if array.dtype.kind != "c":
        raise ValueError(
            f"k-space is complex, this array is {array.dtype} of {sizes(array.shape)}; pictures "
            "are no k-space, and real and imaginary parts go into one complex array"
        )
    if not 2 <= array.ndim <= 4:
        raise ValueError(
            f"the array is {sizes(array.shape)}; k-space is (ky, kx), (coil, ky, kx) or "
            "(slice, coil, ky, kx)"
        )
    return array.reshape(*[1] * (4 - array.ndim), *array.shape)


def the_complex_one(kinds: Mapping[str, tuple[np.dtype, tuple[int, ...]]]) -> str:
    """The name of the k-space; ValueError that says what there is, if it is none or several.

    kinds: types and shapes by name.
    """
    found = [name for name, (dtype, shape) in kinds.items() if dtype.kind == "c" and len(shape) > 1]
    if NAME in found:
        return NAME
    if len(found) == 1:
        return found[0]
    among = found or kinds
    said = (f"{name} ({kinds[name][0]} {sizes(kinds[name][1])})" for name in among)
    listed = ", ".join(said) or "nothing"
    if found:
        raise ValueError(f"it holds several complex arrays, {listed}; call the k-space {NAME}")
    raise ValueError(f"it holds no complex array of k-space, but {listed}")


def beside(arrays: Mapping[str, np.ndarray], shape: tuple[int, ...]) -> dict[str, Any]:
    """mask and maps, where the file has them; ValueError where they do not fit (…, ky, kx)."""
    meta: dict[str, Any] = {}
    if "mask" in arrays:
        mask = np.squeeze(truth(arrays["mask"]))
        mask = np.broadcast_to(mask, shape[-2:]) if mask.shape == shape[-1:] else mask
        meta["mask"] = torch.from_numpy(mask.copy())
    if "maps" in arrays:
        meta["maps"] = torch.from_numpy(by_rank(arrays["maps"]).astype(np.complex64))
    return meta


def truth(mask: np.ndarray) -> np.ndarray:
    """True where a mask is not 0. ValueError where it holds what is no finite number."""
    if mask.dtype.kind not in "biuf" or not np.isfinite(mask).all():
        raise ValueError("its mask holds values that are not finite numbers")
    return mask != 0
