"""Recordings too long to be held: pieces of half a minute, each cross-faded into the next."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from restore.files.task import Pieces, Record

from ..signals.damage import ClipMeter
from ..signals.level import LevelMeter
from ..signals.model_band import Whole
from .sound import CONTAINERS, SoundWriter, meta_of, opened

MOST = 2**22  # values of all channels, times chains, that are held at once
PIECE, OVERLAP = 30, 3  # seconds of a piece, and those it shares with the next
FADE = 1  # seconds in the middle of the overlap in which one gives way to the other
READ = 2**20  # values that are read at a time to know the whole


def in_pieces(path: Path, chains: int) -> "SoundPieces | None":
    """A recording in pieces; None for one that can be held, or that is none."""
    if not path.is_file() or path.suffix.lower() not in CONTAINERS:
        return None
    with opened(path) as file:
        seconds, values = file.frames / file.samplerate, file.frames * file.channels
    if values * chains <= MOST or seconds <= PIECE:
        return None
    return SoundPieces(path)


class SoundPieces(Pieces):
    """A long recording; its level, its constant and its clipping are known before it is read.

    ValueError where the file ends before it says, or holds values that are not finite.
    """

    def __init__(self, path: Path):
        self.path = path
        with opened(path) as file:
            self.rate, self.frames = file.samplerate, file.frames
            self.meta = meta_of(file, path)
        count = -(-(self.frames - OVERLAP * self.rate) // ((PIECE - OVERLAP) * self.rate))
        self.starts = [index * (PIECE - OVERLAP) * self.rate for index in range(count)]
        self.constant, self.levels, self.clip_level = self._measured()

    def __iter__(self) -> Iterator[Record]:
        known = {**self.meta, "clip level": self.clip_level}
        with opened(self.path) as file:
            for start in self.starts:
                file.seek(start)
                values = file.read(PIECE * self.rate, dtype="float32", always_2d=True)
                whole = Whole(self.constant, self.levels, start)
                signal = torch.from_numpy(np.ascontiguousarray(values.T))
                yield Record(signal, "speech", self.path, {**known, "whole": whole})

    @contextmanager
    def joined(self, folder: Path) -> Iterator[Callable[[str, Record], None]]:
        """What writes each piece's records into files of the folder; whole when it is left."""
        joins: dict[str, _Joined] = {}
        try:

            def join(name: str, record: Record) -> None:
                if name not in joins:
                    joins[name] = _Joined(folder / name, record, len(self.starts))
                joins[name].add(record.signal)

            yield join
        finally:
            for one in joins.values():
                one.close()

    def _measured(self) -> tuple[Tensor, Tensor, float | None]:
        """The constant and the level of each channel, (channels, 1), and the clip level."""
        total, peak, frames = 0.0, 0.0, 0
        for signal in self._blocks():
            if not torch.isfinite(signal).all():
                raise ValueError(f"{self.path} holds values that are not finite (NaN or infinity)")
            total = total + signal.double().sum(1, keepdim=True)
            peak, frames = max(peak, signal.abs().max().item()), frames + signal.shape[1]
        if frames < self.frames:
            raise ValueError(
                f"{self.path}: the header promises {self.frames} samples, the file holds {frames}"
            )
        constant = (total / frames).float()
        meters, clipping = [LevelMeter(self.rate) for _ in constant], ClipMeter(peak)
        for signal in self._blocks():
            clipping.add(signal)
            for meter, channel in zip(meters, signal - constant):
                meter.add(channel[None])
        return constant, torch.tensor([[meter.level] for meter in meters]), clipping.level

    def _blocks(self) -> Iterator[Tensor]:
        with opened(self.path) as file:
            for values in file.blocks(READ // file.channels, dtype="float32", always_2d=True):
                yield torch.from_numpy(values.T)


class _Joined:
    """One file that pieces are written to."""

    def __init__(self, path: Path, record: Record, count: int):
        self.rate, self.left = record.meta["rate"], count
        self.writer = SoundWriter(path, path, len(record.signal), record.meta)
        self.tail: Tensor | None = None

    def add(self, signal: Tensor) -> None:
        self.left -= 1
        if self.tail is not None:
            shared = self.tail.shape[1]
            fade = self._fade(shared)
            crossed = self.tail + fade * (signal[:, :shared] - self.tail)  # equal ones stay equal
            signal = torch.cat([crossed, signal[:, shared:]], 1)
        keep = OVERLAP * self.rate if self.left else 0
        done = signal.shape[1] - keep
        self.tail = signal[:, done:].clone()
        self.writer.write(signal[:, :done].numpy())

    def close(self) -> None:
        with self.writer:
            if not self.left:
                self.writer.warn()

    def _fade(self, shared: int) -> Tensor:
        seconds = torch.arange(shared) / self.rate
        return ((seconds - (OVERLAP - FADE) / 2) / FADE).clamp(0, 1)
