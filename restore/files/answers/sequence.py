"""Frames of a sequence, restored one after another, each begun from the one before it.

Stevens et al. 2024 (SeqDiff), arXiv:2409.05399: the frame before, noised to a middle level, is so
near to the next one that the larger noise levels need not be passed again. One frame is sampled at
a time, and held; what is to be written waits on disk.
"""

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
from .on_disk import as_kind, let_go, on_disk

SHOWN = 6  # frames of the strip in the report
WIDTH = 200  # pixels of each, about


@dataclass(frozen=True)
class Restored:
    """A sequence after its run."""

    answer: Answer  # of the frame that is shown; its facts tell of all
    records: Mapping[str, Record]  # "restored", "std" where there is one, and the parts: of all
    strip: Record  # some frames before, above the same after; (channels, rows, columns)


def restore_frames(
    problem: Problem,
    answer: Callable[[Problem, int], Answer],
    folder: Path,
    *,
    samples: bool = False,
) -> Restored:
    """Answer every frame; mean.npy and std.npy, (frames, *in_shape), are written into `folder`.

    answer: called with a frame and its number. samples: write samples.npy, (frames, chains,
    *in_shape), too. A reference is the frames' own.
    """
    frames = problem.task.frames
    signals: dict[str, Tensor] = {}
    shown, seconds = None, []
    for k, found, took in _answers(problem, answer):
        seconds.append(took)
        _append(folder, frames.count, _arrays(found.posterior, samples=samples))
        for name, record in _of_frame(found, samples=samples).items():
            signals.setdefault(name, _like(frames.whole.signal))[:, k] = record.signal[:, 0]
        shown = found if k == frames.shown else shown
        let_go()
    records = {name: frames.whole.with_signal(signal) for name, signal in signals.items()}
    if "std" in records:
        records["std"] = replace(records["std"], kind="std")
    task = shown.problem.task.with_facts(_facts(seconds))
    shown = replace(shown, problem=replace(shown.problem, task=task))
    strip = _strip(frames.whole.signal, signals["restored"])
    return Restored(shown, records, frames.whole.with_signal(strip))


def _answers(
    problem: Problem, answer: Callable[[Problem, int], Answer]
) -> Iterator[tuple[int, Answer, float]]:
    """The answer to each frame, and the seconds it took."""
    frames: Frames = problem.task.frames
    before, whole = None, problem.reference
    for k in range(frames.count):
        started, task = time.perf_counter(), frames.task(k)
        if before is not None and frames.sigma_start is not None:
            begun = before if frames.carried is None else frames.carried(k, before)
            warm = replace(task.sampler, init=begun, sigma_start=frames.sigma_start)
            task = replace(task, sampler=warm)
        truth = None if whole is None else whole.with_signal(whole.signal[:, k : k + 1])
        found = answer(replace(problem, task=task, reference=truth), k)
        before = found.posterior.mean
        yield k, found, time.perf_counter() - started


def _of_frame(found: Answer, *, samples: bool) -> dict[str, Record]:
    """What is to be written of one frame, by name."""
    made = {"restored": found.shown["mean"], **found.parts}
    if "baseline" in found.shown:
        made["baseline"] = found.shown["baseline"]
    if found.std is not None:
        made["std"] = found.std
    if samples:
        made |= {f"sample-{i + 1}": record for i, record in enumerate(found.samples)}
    return made


def _arrays(posterior: Posterior, *, samples: bool) -> dict[str, Tensor]:
    """What is kept of one frame as NumPy's files, by name."""
    made = {"mean": posterior.mean}
    if posterior.chains > 1:
        made["std"] = posterior.std
    return made | ({"samples": posterior.samples} if samples else {})


def _like(signal: Tensor) -> Tensor:
    """Zeros on disk of a signal's shape and type."""
    return torch.from_numpy(on_disk(signal.shape, as_kind(signal)))


def _facts(seconds: list[float]) -> dict[str, float]:
    """What the report says of the run; the first frame begins from noise."""
    later = seconds[1:] or seconds
    return {
        "frames": len(seconds),
        "seconds of the first frame": round(seconds[0], 3),
        "seconds of each frame after it": round(sum(later) / len(later), 3),
    }


def _append(folder: Path, count: int, values: Mapping[str, Tensor]) -> None:
    """Add the arrays of one frame to NAME.npy, (count, *shape), which the first frame begins."""
    for name, value in values.items():
        array = np.ascontiguousarray(value.numpy(), np.float32)
        with open(folder / f"{name}.npy", "ab") as file:
            if not file.tell():
                head = np.lib.format.header_data_from_array_1_0(array)
                np.lib.format.write_array_header_1_0(file, {**head, "shape": (count, *array.shape)})
            file.write(array.tobytes())


def _strip(before: Tensor, after: Tensor) -> Tensor:
    """Some frames side by side, before in the first row and after in the second."""
    which = torch.linspace(0, before.shape[1] - 1, min(SHOWN, before.shape[1])).round().long()
    step = max(1, before.shape[-1] // WIDTH)
    rows = [
        torch.cat([signal[:, int(k), ::step, ::step].clone() for k in which], -1)
        for signal in (before, after)
    ]
    return torch.cat(rows, -2)
