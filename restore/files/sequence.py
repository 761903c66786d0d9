"""Frames of a sequence, restored one after another, each begun from the one before it.

Stevens et al. 2024 (SeqDiff), arXiv:2409.05399: the frame before, noised to a middle level, is so
near to the next one that the larger noise levels need not be passed again. One frame is in memory
at a time; what is written waits on disk.
"""

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..sampling.posterior import Posterior
from .coverage import sample_std
from .task import Frames, Record

SHOWN = 6  # frames of the strip in the report
WIDTH = 200  # pixels of each, about

Draw = Callable[[int, Tensor | None, float | None], Posterior]  # of a frame: init, sigma_start


@dataclass(frozen=True)
class Restored:
    """A sequence after its run."""

    posterior: Posterior  # of the frame that is shown
    records: Mapping[str, Record]  # "mean", "std" and the task's parts, of all frames
    strip: Tensor  # (channels, rows, columns): some frames before, above the same after
    seconds: list[float]  # that each frame took

    @property
    def facts(self) -> dict[str, float]:
        """What the report says of the run; the first frame begins from noise."""
        later = self.seconds[1:] or self.seconds
        return {
            "frames": len(self.seconds),
            "seconds of the first frame": round(self.seconds[0], 3),
            "seconds of each frame after it": round(sum(later) / len(later), 3),
        }


def restore_frames(frames: Frames, draw: Draw, folder: Path) -> Restored:
    """Restore every frame; mean.npy and std.npy, (frames, *in_shape), are written into `folder`."""
    names = ["mean", "std", *frames.parts]
    signals = {name: on_disk(frames.whole.signal.shape) for name in names}
    kept, shown, seconds = _Arrays(folder, frames.count), None, []
    for k, posterior, took in _posteriors(frames, draw):
        seconds.append(took)
        kept.put(k, posterior)
        samples = [frames.present(k, x).signal for x in posterior.samples]
        signals["mean"][:, k] = frames.present(k, posterior.mean).signal[:, 0]
        signals["std"][:, k] = sample_std(samples)[:, 0] if len(samples) > 1 else 0
        for name, present in frames.parts.items():
            signals[name][:, k] = present(k, posterior.mean).signal[:, 0]
        shown = posterior if k == frames.shown else shown
    records = {name: frames.whole.with_signal(signal) for name, signal in signals.items()}
    strip = _strip(frames.whole.signal, signals["mean"])
    return Restored(shown, records, strip, seconds)


def on_disk(shape: tuple[int, ...]) -> Tensor:
    """Zeros of a shape, float32, in a file that is gone when they are."""
    with tempfile.TemporaryFile() as file:
        return torch.from_numpy(np.memmap(file, np.float32, "w+", shape=tuple(shape)))


def _posteriors(frames: Frames, draw: Draw) -> Iterator[tuple[int, Posterior, float]]:
    """The posterior of each frame, and the seconds it took."""
    before = None
    for k in range(frames.count):
        started = time.perf_counter()
        warm = before is not None and frames.sigma_start is not None
        init, level = (before, frames.sigma_start) if warm else (None, None)
        posterior = draw(k, init, level)
        before = posterior.mean
        yield k, posterior, time.perf_counter() - started


class _Arrays:
    """mean.npy and std.npy, frame by frame."""

    def __init__(self, folder: Path, count: int):
        self.folder, self.count = folder, count
        self.open: dict[str, np.ndarray] = {}

    def put(self, k: int, posterior: Posterior) -> None:
        values = {"mean": posterior.mean}
        if posterior.chains > 1:
            values["std"] = posterior.std
        for name, value in values.items():
            if name not in self.open:
                self.open[name] = np.lib.format.open_memmap(
                    self.folder / f"{name}.npy", "w+", np.float32, (self.count, *value.shape)
                )
            self.open[name][k] = value.numpy()


def _strip(before: Tensor, after: Tensor) -> Tensor:
    """Some frames side by side, before in the first row and after in the second."""
    which = torch.linspace(0, before.shape[1] - 1, min(SHOWN, before.shape[1])).round().long()
    step = max(1, before.shape[-1] // WIDTH)
    rows = [
        torch.cat([signal[:, int(k), ::step, ::step] for k in which], -1)
        for signal in (before, after)
    ]
    return torch.cat(rows, -2)
