"""Frames of any record as companded envelopes on the priors' grid, and the way back.

What a prior takes away is known on the grid. Of frames as displayed it is brought to each pixel's
place and subtracted there; RF and IQ are multiplied by the gain that does the same to their
envelope, so that their phase stays. Outside the sector nothing changes.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from restore.files.answers.on_disk import each
from restore.files.task import Record

from ..files.frames import BMODE, CHANNELS, IQ, RF
from ..operators.beamforming import chosen_transmits, plane_waves
from ..operators.companding import RANGE, companded, expanded, mu_of
from ..operators.envelope import analytic
from .grid import from_grid, to_grid
from .sector import Box, boxes, sector

WHITE = 0.999  # quantile of an RF or IQ envelope that is taken for white
IMAGE = (384, 192)  # depth and lines of what plane waves are beamformed to
TRANSMITS = 11  # that are compounded, of as many as there are


@dataclass(frozen=True)
class Echoes:
    """The frames of a record, seen by the priors."""

    record: Record  # bmode, rf or iq
    box: Box  # that all echoes lie in
    mu: float
    side: int  # pixels of the grid at most
    whole: bool = False  # all of the box is echoes, black or not

    @property
    def count(self) -> int:
        return self.record.signal.shape[1]

    @property
    def dynamic_range(self) -> float:
        """dB of the display."""
        return 20 * math.log10(1 + self.mu)

    @property
    def size(self) -> tuple[int, int]:
        return self.box.bottom - self.box.top, self.box.right - self.box.left

    @property
    def facts(self) -> dict[str, object]:
        """What a report says of them."""
        found: dict[str, object] = {
            "mu of the companding": round(self.mu, 1),
            "box of the echoes": str(self.box),
            "grid": "x".join(map(str, self.grid(0).shape[1:])),
        }
        seconds = self.record.meta.get("seconds")
        if seconds and len(seconds) > 1 and seconds[-1] > 0:
            found["frames a second"] = round((len(seconds) - 1) / seconds[-1], 2)
        return found

    def brightness(self, k: int) -> Tensor:
        """Frame k in its box, 0 to 1; (rows, columns)."""
        if self.record.kind == BMODE:
            return self.record.signal[0, k][self.box.slices]
        return companded((self._envelope(k) / self.white).clamp(max=1), self.mu)

    def grid(self, k: int) -> Tensor:
        """Frame k on the grid, 0 to 1; (1, rows, columns)."""
        if self.record.kind == BMODE:
            return to_grid(self.brightness(k)[None, None], self.side)[0]
        envelope = to_grid(self._envelope(k).square()[None, None], self.side)[0].sqrt()
        return companded((envelope / self.white).clamp(max=1), self.mu)

    def without(self, k: int, removed: Tensor) -> Record:
        """Frame k alone, less what was removed from it; removed: (1, rows, columns) of the grid."""
        return self._frame(k, removed, lambda before, after: after)

    def removed(self, k: int, removed: Tensor) -> Record:
        """What `without` takes away from frame k, in the same place; outside the box the frame."""
        return self._frame(k, removed, lambda before, after: before - after)

    def filled(self, k: int, values: Tensor, missing: Tensor) -> Record:
        """Frame k alone, of frames as displayed, with values of the grid where columns are missing.

        values: (1, rows, columns) of the grid. missing: bool, (columns,) of the box.
        """
        signal = self.record.signal[:, k : k + 1].clone()
        whole = from_grid(values[None], self.size)[0, 0].clamp(0, 1)
        place = (0, 0, *self.box.slices)
        signal[place] = torch.where(missing, whole, signal[place])
        return self.record.with_signal(signal)

    def view(self, record: Record) -> dict[str, Tensor]:
        """A record like this one's as a picture, its middle frame; (1, rows, columns), 0 to 1."""
        if record.kind != IQ and record.kind != RF:
            return {"": record.signal[:, record.signal.shape[1] // 2]}
        part = record.signal[:, record.signal.shape[1] // 2][None]
        envelope = to_grid(_power(part, record.kind), self.side)[0].sqrt()
        return {"": companded((envelope / self.white).clamp(max=1), self.mu)}

    def _frame(self, k: int, removed: Tensor, seen: Callable[[Tensor, Tensor], Tensor]) -> Record:
        move = from_grid(removed[None], self.size)[0, 0] * self.inside
        before = self.brightness(k)
        after = torch.minimum((before - move).clamp(0, 1), torch.where(move >= 0, before, 1.0))
        signal = self.record.signal[:, k : k + 1].clone()
        place = (0, 0, *self.box.slices)
        if self.record.kind == BMODE:
            signal[place] = torch.where(self.inside, seen(before, after), before)
        else:
            gain = expanded(after, self.mu) / expanded(before, self.mu).clamp_min(1e-12)
            signal[place] = seen(signal[place], signal[place] * gain)
        return self.record.with_signal(signal)

    @cached_property
    def inside(self) -> Tensor:
        """Where echoes may be, bool, of the box's size."""
        if self.record.kind != BMODE or self.whole:
            return torch.ones(self.size, dtype=torch.bool)
        brightest = self.record.signal[0, 0].clone()
        for frame in each(self.record.signal[0, 1:]):
            brightest = torch.maximum(brightest, frame)
        return sector(brightest[self.box.slices])

    @cached_property
    def white(self) -> float:
        """The envelope of RF or IQ that is taken for white."""
        values = torch.cat(
            [self._envelope(k).flatten()[:: self._sparse].clone() for k in each(range(self.count))]
        )
        return max(float(np.quantile(values.numpy(), WHITE)), 1e-12)

    @property
    def _sparse(self) -> int:
        return max(1, self.record.signal.numel() // 1_000_000)

    def _envelope(self, k: int) -> Tensor:
        part = self.record.signal[:, k][None]
        return _power(part, self.record.kind)[0, 0].sqrt()[self.box.slices]


def echoes(record: Record, region: str, side: int, *, whole: bool = False) -> Echoes:
    """A record's frames for the priors; channels are beamformed first.

    region: "" for what the file tells, all, or x0,y0,x1,y1. whole: take black parts of it for
    echoes, too. ValueError for records that are no ultrasound, or hold nothing.
    """
    if record.kind == CHANNELS:
        record = beamformed(record)
    if record.kind not in (BMODE, RF, IQ):
        raise ValueError(f"{record.source} holds {record.kind}, no ultrasound")
    if side < 32:
        raise ValueError(f"a grid of {side} pixels a side is too small; 256 is usual")
    if record.kind == BMODE:
        found = boxes(record, region)
        tops, bottoms, lefts, rights = zip(*((b.top, b.bottom, b.left, b.right) for b in found))
        box = Box(min(tops), max(bottoms), min(lefts), max(rights))
    else:
        box = Box(0, record.signal.shape[2], 0, record.signal.shape[3])
    told = record.meta.get("dynamic_range")
    made = Echoes(record, box, mu_of(told or RANGE), side, whole)
    if not made.inside.any() or not any(bool(made.grid(k).any()) for k in range(made.count)):
        raise ValueError(f"{record.source} is black in {made.box}: there are no echoes in it")
    return made


def beamformed(record: Record) -> Record:
    """Channels of plane waves as iq, (1, 1, depth, lines); radio frequency is made analytic."""
    heard = record.signal if record.signal.is_complex() else analytic(record.signal.mT).mT
    scan, samples = record.meta["scan"], record.signal.shape[-1]
    total = 0
    for k in chosen_transmits(len(heard), TRANSMITS).tolist():  # the places of one at a time
        one = {**scan, "polar_angles": np.ravel(scan["polar_angles"])[k : k + 1]}
        if "initial_times" in scan:
            one["initial_times"] = np.ravel(scan["initial_times"])[k : k + 1]
        total = total + plane_waves(one, samples, IMAGE)(heard[None, k : k + 1])
    meta = {**record.meta, "product": "beamformed_data"}
    return replace(record, signal=total.to(torch.complex64), kind=IQ, meta=meta)


def _power(signal: Tensor, kind: str) -> Tensor:
    return (analytic(signal) if kind == RF else signal).abs().square()
