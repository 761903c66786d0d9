"""Broken files give one line that names them; written ones appear whole or not at all."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch

from restore.task import Record

from .geometry import Geometry


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Whatever a parser says of a broken file becomes one ValueError that names the file."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is wrong with a file is said once, below
            yield
    except Exception as error:  # foreign bytes may raise anything in a parser
        if isinstance(error, OSError) and error.errno is not None:
            raise  # not there, not allowed, a folder: the system's own words name the file
        if isinstance(error, ValueError) and str(error).startswith(str(path)):
            raise
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"{path}: {reason}") from error


@contextmanager
def whole(path: Path) -> Iterator[BinaryIO]:
    """A file to write that appears under its name when it is complete, or not at all."""
    partial = path.with_name(path.name + ".partial")
    try:
        with open(partial, "w+b") as file:
            yield file
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def volume(
    values: np.ndarray, path: Path, *, format: str, geometry: Geometry | None, **meta: Any
) -> Record:
    """A record of kind volume; values: (z, y, x). ValueError where some are not finite."""
    if not values.size:
        raise ValueError(f"it holds no voxels: {'x'.join(map(str, values.shape))}")
    signal = torch.from_numpy(np.ascontiguousarray(values, np.float32))[None]
    broken = int((~torch.isfinite(signal)).sum())
    if broken:
        raise ValueError(f"{broken} of its values are not finite (NaN or infinity)")
    meta = {"modality": None, "units": "1", **meta}
    return Record(signal, "volume", path, {"format": format, "geometry": geometry, **meta})


def voxels(record: Record, path: Path) -> np.ndarray:
    """The signal of a volume to be written, (z, y, x) float32; ValueError if it is none.

    Of complex signals the magnitude.
    """
    shape = "x".join(map(str, record.signal.shape))
    if record.signal.ndim != 4 or len(record.signal) != 1:
        raise ValueError(f"{path}: a volume is (1, z, y, x), got {shape}")
    signal = record.signal[0].detach().cpu()
    values = (signal.abs() if signal.is_complex() else signal).to(torch.float32).numpy()
    if not np.isfinite(values).all():
        raise ValueError(f"{path}: the volume holds values that are not finite (NaN or infinity)")
    return values
