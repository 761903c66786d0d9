"""Between a file's pixels and a Record: depth, alpha, orientation, and what must survive.

A Record of kind "image" holds the picture upright, 0 to 1, one grey channel or red, green, blue.
Its meta is what a writer needs to write the like of the file that was read:

dtype        what one value is on file: "uint8", "uint16", "float32", ...; "uint8" where absent
alpha        (height, width) of that dtype, upright like the signal: carried, never restored
orientation  1 to 8, EXIF's number; the file is written as it lay, with this tag
resolution   (across, down, unit), unit "inch", "cm" or "metre"
icc, exif, xmp    bytes, as they were
and what only one format has: chunks (PNG), lossless (WebP), layout (NPY), tiff.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from restore.files.task import Record

DTYPES = ("uint8", "uint16", "float16", "float32", "float64")
# Floats are taken in 0 to 1; noise may carry a measurement out of it, but not this far: a picture
# of 0 to 255 that was never scaled is met here.
REACH = 32.0
TURNS = {5, 6, 7, 8}  # orientations that exchange height and width


def to_record(pixels: np.ndarray, path: Path, *, orientation: int = 1, **meta: Any) -> Record:
    """Pixels as they lie on file, (height, width, 1 to 4), become a Record; ValueError if unfit."""
    if 0 in pixels.shape:
        raise ValueError(f"{path}: there is no pixel in it")
    if pixels.dtype == bool:
        pixels = pixels * np.uint8(255)
    if pixels.dtype.name not in DTYPES:
        raise ValueError(
            f"{path}: values are {pixels.dtype}; convert them to uint8, uint16, or float in 0 to 1"
        )
    pixels = upright(pixels, orientation)
    count = pixels.shape[2]
    colours = count - 1 if count in (2, 4) else count
    alpha = np.ascontiguousarray(pixels[..., colours]) if colours < count else None
    signal = torch.from_numpy(_unit(pixels[..., :colours]).transpose(2, 0, 1).copy())
    _check(signal, path)
    meta = {"dtype": pixels.dtype.name, "alpha": alpha, "orientation": orientation, **meta}
    return Record(signal, "image", path, meta)


def to_pixels(record: Record, path: Path) -> np.ndarray:
    """(height, width, channels) as they go on file: rounded, clipped to the range, with alpha.

    Floats are neither rounded nor clipped. ValueError for values that are not finite.
    """
    meta = record.meta
    values = record.signal.detach().cpu().float().numpy().transpose(1, 2, 0)
    if not np.isfinite(values).all():
        raise ValueError(f"{path}: the picture holds values that are not finite")
    dtype = np.dtype(meta.get("dtype", "uint8"))
    if dtype.kind == "u":
        peak = np.iinfo(dtype).max
        values = np.rint(values.clip(0, 1) * np.float32(peak))
    pixels = values.astype(dtype)
    alpha = meta.get("alpha")
    if alpha is not None:
        if alpha.shape != pixels.shape[:2]:
            raise ValueError(f"{path}: alpha is {alpha.shape}, the picture {pixels.shape[:2]}")
        pixels = np.concatenate([pixels, alpha.astype(dtype)[..., None]], 2)
    return np.ascontiguousarray(as_it_lay(pixels, meta.get("orientation", 1)))


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Pixels in the order of display, from those on file and EXIF's orientation 1 to 8."""
    if orientation in (3, 7):
        pixels = pixels[::-1, ::-1]
    elif orientation in (2, 8):
        pixels = pixels[:, ::-1]
    elif orientation in (4, 6):
        pixels = pixels[::-1]
    return pixels.swapaxes(0, 1) if orientation in TURNS else pixels


def as_it_lay(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """The way back; only the two quarter turns are not their own."""
    return upright(pixels, {6: 8, 8: 6}.get(orientation, orientation))


def profile(meta: Mapping[str, Any], channels: int) -> bytes | None:
    """The ICC profile, where it is one for this number of colours (bytes 16 to 20 name them)."""
    icc = meta.get("icc")
    wanted = b"GRAY" if channels < 3 else b"RGB "
    return icc if icc and icc[16:20] == wanted else None


def _unit(pixels: np.ndarray) -> np.ndarray:
    if pixels.dtype.kind == "f":
        return pixels.astype(np.float32)
    return pixels.astype(np.float32) / np.float32(np.iinfo(pixels.dtype).max)


def _check(signal: Tensor, path: Path) -> None:
    if not torch.isfinite(signal).all():
        raise ValueError(f"{path}: it holds values that are not finite (NaN or infinity)")
    most = signal.abs().max().item()
    if most > REACH:
        raise ValueError(f"{path}: values reach {most:g}; floats are taken in 0 to 1")
