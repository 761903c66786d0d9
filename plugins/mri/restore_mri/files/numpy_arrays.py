"""k-space in NumPy files: (ky, kx), (coil, ky, kx) or (slice, coil, ky, kx), by their number."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from restore.files.task import Record
from restore.measurement.checks import sizes

from ..kspace.cartesian import cartesian

NAME = "kspace"  # the array of this name is k-space, whatever others there are


def read(path: Path) -> Record:
    """.npy, one array; .npz, one complex array among all, or that called kspace.

    Beside it an archive may hold `mask`, (kx,), (ky, kx) or (slice, ky, kx), and `maps`,
    (coil, ky, kx) or (slice, coil, ky, kx).
    """
    loaded = np.load(path, allow_pickle=False)
    if isinstance(loaded, np.ndarray):
        return cartesian(by_rank(loaded), path, "npy")
    with loaded:
        arrays = {name: loaded[name] for name in loaded.files}
    name = the_complex_one(arrays)
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


def the_complex_one(arrays: Mapping[str, np.ndarray]) -> str:
    """The name of the k-space; ValueError that says what there is, if it is none or several."""
    found = [name for name, array in arrays.items() if array.dtype.kind == "c" and array.ndim > 1]
    if NAME in found:
        return NAME
    if len(found) == 1:
        return found[0]
    among = found or arrays
    listed = ", ".join(f"{name} ({_said(arrays[name])})" for name in among) or "nothing"
    if found:
        raise ValueError(f"it holds several complex arrays, {listed}; call the k-space {NAME}")
    raise ValueError(f"it holds no complex array of k-space, but {listed}")


def beside(arrays: Mapping[str, np.ndarray], shape: tuple[int, ...]) -> dict[str, Any]:
    """mask and maps, where the file has them; ValueError where they do not fit (…, ky, kx)."""
    meta: dict[str, Any] = {}
    if "mask" in arrays:
        mask = np.squeeze(arrays["mask"]) != 0
        mask = np.broadcast_to(mask, shape[-2:]) if mask.shape == shape[-1:] else mask
        meta["mask"] = torch.from_numpy(mask.copy())
    if "maps" in arrays:
        meta["maps"] = torch.from_numpy(by_rank(arrays["maps"]).astype(np.complex64))
    return meta


def _said(array: np.ndarray) -> str:
    return f"{array.dtype} {sizes(array.shape)}"
