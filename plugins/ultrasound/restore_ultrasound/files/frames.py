"""Records of ultrasound: what their kinds, axes and `meta` are.

kind        signal, float32 or complex64
bmode       (1, frames, rows, columns), brightness 0 to 1 as displayed
rf, iq      (1, frames, depth, lines), beamformed; rf real, iq complex
channels    (transmits, elements, samples), what each element of the probe heard; real or complex
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from restore.files.task import Record

from .colours import Raster

BMODE, RF, IQ, CHANNELS = "bmode", "rf", "iq", "channels"


def bmode(raster: Raster, path: Path, **meta: Any) -> Record:
    """A record of frames as displayed, which `Raster` can give back to their file."""
    signal = torch.from_numpy(raster.brightness())[None]
    return Record(signal, BMODE, path, {"raster": raster, "regions": None, "seconds": None, **meta})


def raster_of(record: Record, path: Path) -> Raster:
    """The source's raster at the record's brightness, for a writer.

    ValueError where the record has no raster or other frames than it.
    """
    raster = record.meta.get("raster")
    if record.kind != BMODE or raster is None:
        raise ValueError(f"{path}: what is written here are frames as displayed, not {record.kind}")
    shape = raster.stored.shape[:3]
    if tuple(record.signal.shape) != (1, *shape):
        sizes = "x".join(map(str, record.signal.shape[1:]))
        raise ValueError(f"{path}: the record is {sizes}, its source {'x'.join(map(str, shape))}")
    return raster.with_brightness(record.signal[0].numpy())


def refuse_source(record: Record, path: Path) -> None:
    """ValueError where a record would be written over the file that it came from."""
    if record.source is not None and path.resolve() == record.source.resolve():
        raise ValueError(f"{path}: that is the source itself; a restored file is another one")


def scaled(values: np.ndarray, path: Path) -> torch.Tensor:
    """Float32 or complex64 of numbers of any kind; ValueError for what is empty or not finite."""
    if not values.size:
        raise ValueError(f"it holds no values: {'x'.join(map(str, values.shape))}")
    kind = np.complex64 if np.iscomplexobj(values) else np.float32
    signal = torch.from_numpy(np.ascontiguousarray(values, kind))
    if not torch.isfinite(torch.view_as_real(signal) if signal.is_complex() else signal).all():
        raise ValueError("some of its values are not finite (NaN or infinity)")
    return signal
