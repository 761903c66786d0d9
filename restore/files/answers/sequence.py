"""Frames of a sequence, restored one after another, each begun from the one before it.

Stevens et al. 2024 (SeqDiff), arXiv:2409.05399: the frame before, noised to a middle level, is so
near to the next one that the larger noise levels need not be passed again. One frame is sampled at
a time; what is to be written waits on disk.
"""

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...sampling.posterior import Posterior
from ..problem import Problem
from ..task import Frames, Record
from .answering import Answer

SHOWN = 6  # frames of the strip in the report
WIDTH = 200  # pixels of each, about


@dataclass(frozen=True)
class Restored:
    """A sequence after its run."""

    answer: Answer  # of the frame that is shown; its facts tell of all
    records: Mapping[str, Record]  # "restored", "std" where there is one, and the parts: of all
    strip: Record  # some frames before, above the same after; (channels, rows, columns)


def restore_frames(problem: Problem, answer: Callable[[Problem], Answer], folder: Path) -> Restored:
    """Answer every frame; mean.npy and std.npy, (frames, *in_shape), are written into `folder`."""
    frames = problem.task.frames
    signals: dict[str, Tensor] = {}
    kept, shown, seconds = _Arrays(folder, frames.count), None, []
    for k, found, took in _answers(problem, answer):
        seconds.append(took)
        kept.put(k, found.posterior)
        of_frame = {"restored": found.shown["mean"], **found.parts}
        of_frame |= {} if found.std is None else {"std": found.std}
        for name, record in of_frame.items():
            signals.setdefault(name, on_disk(frames.whole.signal))[:, k] = record.signal[:, 0]
        shown = found if k == frames.shown else shown
    records = {name: frames.whole.with_signal(signal) for name, signal in signals.items()}
    if "std" in records:
        records["std"] = replace(records["std"], kind="std")
    task = shown.problem.task.with_facts(_facts(seconds))
    shown = replace(shown, problem=replace(shown.problem, task=task))
    strip = _strip(frames.whole.signal, signals["restored"])
    return Restored(shown, records, frames.whole.with_signal(strip))


def on_disk(like: Tensor) -> Tensor:
    """Zeros of a tensor's shape and type, in a file that is gone when they are."""
    kind = np.complex64 if like.is_complex() else np.float32
    with tempfile.TemporaryFile() as file:
        return torch.from_numpy(np.memmap(file, kind, "w+", shape=tuple(like.shape)))


def _answers(
    problem: Problem, answer: Callable[[Problem], Answer]
) -> Iterator[tuple[int, Answer, float]]:
    """The answer to each frame, and the seconds it took."""
    frames: Frames = problem.task.frames
    before = None
    for k in range(frames.count):
        started, task = time.perf_counter(), frames.task(k)
        if before is not None and frames.sigma_start is not None:
            warm = replace(task.sampler, init=before, sigma_start=frames.sigma_start)
            task = replace(task, sampler=warm)
        found = answer(replace(problem, task=task))
        before = found.posterior.mean
        yield k, found, time.perf_counter() - started


def _facts(seconds: list[float]) -> dict[str, float]:
    """What the report says of the run; the first frame begins from noise."""
    later = seconds[1:] or seconds
    return {
        "frames": len(seconds),
        "seconds of the first frame": round(seconds[0], 3),
        "seconds of each frame after it": round(sum(later) / len(later), 3),
    }


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
