"""Records of ultrasound: what their kinds, axes and `meta` are.

kind        signal, float32 or complex64
bmode       (1, frames, rows, columns), brightness 0 to 1 as displayed
rf, iq      (1, frames, depth, lines), beamformed; rf real, iq complex
channels    (transmits, elements, samples), what each element of the probe heard; real or complex
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import DTypeLike

from restore.files.answers.on_disk import each, filled
from restore.files.task import Record

from .colours import Raster

BMODE, RF, IQ, CHANNELS = "bmode", "rf", "iq", "channels"


def bmode(raster: Raster, path: Path, **meta: Any) -> Record:
    """A record of frames as displayed, which `Raster` can give back to their file.

    What is long lies on disk (`restore.files.answers.on_disk`), read frame by frame.
    """
    shape = raster.stored.shape[:3]
    frames = (raster.brightness(slice(k, k + 1))[0] for k in range(shape[0]))
    signal = torch.from_numpy(filled(frames, shape, np.float32))[None]
    return Record(signal, BMODE, path, {"raster": raster, "regions": None, "seconds": None, **meta})


def stored_frames(record: Record, path: Path) -> Iterator[np.ndarray]:
    """The frames of the source's raster at the record's brightness, one by one, for a writer.

    ValueError where the record has no raster or other frames than it.
    """
    raster = raster_of(record, path)
    return (
        raster.frame_at(k, record.signal[0, k].numpy()) for k in each(range(len(raster.stored)))
    )


def raster_of(record: Record, path: Path) -> Raster:
    """The source's raster; ValueError where the record has none or other frames than it."""
    raster = record.meta.get("raster")
    if record.kind != BMODE or raster is None:
        raise ValueError(f"{path}: what is written here are frames as displayed, not {record.kind}")
    shape = raster.stored.shape[:3]
    if tuple(record.signal.shape) != (1, *shape):
        sizes = "x".join(map(str, record.signal.shape[1:]))
        raise ValueError(f"{path}: the record is {sizes}, its source {'x'.join(map(str, shape))}")
    return raster


def refuse_source(record: Record, path: Path) -> None:
    """ValueError where a record would be written over the file that it came from."""
    if record.source is not None and path.resolve() == record.source.resolve():
        raise ValueError(f"{path}: that is the source itself; a restored file is another one")


def signal_of(frames: Iterable[np.ndarray], shape: Sequence[int], kind: DTypeLike) -> torch.Tensor:
    """Frames that come one by one as a signal, (1, *shape), on disk where it is long.

    shape: (frames, *size); kind: float32 or complex64. ValueError for what is empty or not finite.
    """
    if not math.prod(shape):
        raise ValueError(f"it holds no values: {'x'.join(map(str, shape))}")
    return torch.from_numpy(filled(map(_finite, frames), shape, kind))[None]


def _finite(values: np.ndarray) -> np.ndarray:
    if not np.isfinite(values).all():
        raise ValueError("some of its values are not finite (NaN or infinity)")
    return values
