"""Records of ultrasound: what their kinds, axes and `meta` are.

kind        signal, float32 or complex64
bmode       (1, frames, rows, columns), brightness 0 to 1 as displayed
rf, iq      (1, frames, depth, lines), beamformed; rf real, iq complex
channels    (transmits, elements, samples), what each element of the probe heard; real or complex
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import DTypeLike

from restore.files.answers.on_disk import each, filled
from restore.files.task import Record

from .colours import PALETTE, Raster

UNLIKE, ALIKE = 0.3, 0.5  # of a wave, the correlation of every second is 2 * 0.3^2 - 1 = -0.8
ONE_SIGN = 0.02  # share of the values up to which a sign is as good as missing
LEAST = 16  # values along an axis whose likeness is told
BMODE, RF, IQ, CHANNELS = "bmode", "rf", "iq", "channels"


def bmode(raster: Raster, path: Path, **meta: Any) -> Record:
    """A record of frames as displayed, which `Raster` can give back to their file.

    What is long lies on disk (`restore.files.answers.on_disk`), read frame by frame.
    """
    if raster.space == PALETTE:
        raster.shades()
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


def rf_of(
    frames: Iterable[np.ndarray], shape: Sequence[int], path: Path, meta: Mapping[str, Any]
) -> Record:
    """A record of radio frequency, of frames (depth, lines) that come one by one.

    ValueError where they do not oscillate, as a log image or an envelope does not; and where they
    are I and Q: these are smooth each, so that every second number is alike and neighbours are not,
    while a wave whose neighbours do not correlate has turned its sign at the second.
    """
    signal = signal_of(frames, shape, np.float32)
    loud = next((frame for frame in each(signal[0]) if frame.any()), signal[0, 0])
    low, high = float(loud.min()), float(loud.max())
    positive = float((loud[loud != 0] > 0).float().mean())  # about half of a wave
    if not ONE_SIGN <= positive <= 1 - ONE_SIGN:
        raise ValueError(
            f"its radio frequency does not change its sign, {low:g} to {high:g}: it is an image "
            "or an envelope, or has an offset"
        )
    for axis, name in ((0, "depth"), (1, "lines")):
        near, far = (_likeness(loud, axis, lag) for lag in (1, 2))
        if near < UNLIKE and far > ALIKE:
            raise ValueError(
                f"its radio frequency is I and Q, in turn along {name}: neighbours correlate by "
                f"{near:.2f}, every second number by {far:.2f}"
            )
    return Record(signal, RF, path, meta)


def _likeness(frame: torch.Tensor, axis: int, lag: int) -> float:
    """The correlation of values that are `lag` apart; 0 where the axis is too short to tell."""
    count = frame.shape[axis] - lag
    if count < LEAST:
        return 0.0
    one, two = frame.narrow(axis, 0, count), frame.narrow(axis, lag, count)
    return float((one * two).mean() / frame.square().mean().clamp_min(1e-30))


def _finite(values: np.ndarray) -> np.ndarray:
    if not np.isfinite(values).all():
        raise ValueError("some of its values are not finite (NaN or infinity)")
    return values
