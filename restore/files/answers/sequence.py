"""Frames of a sequence, restored one after another, or the slices of a volume; one is held.

Stevens et al. 2024 (SeqDiff), arXiv:2409.05399: the frame before, noised to a middle level, is so
near to the next one that the larger noise levels need not be passed again. What is to be written
waits on disk.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from ...sampling.posterior import Posterior
from ..merit.coverage import expected
from ..problem import Problem
from ..task import Frames, Record
from .answering import Answer
from .on_disk import as_kind, let_go, on_disk, write_at
from .parts import frame_of

SHOWN = 6  # frames of the strip in the report
WIDTH = 200  # pixels of each, about
COMPARED = "compared "  # before the name of a signal that only figures of merit are taken of


@dataclass(frozen=True)
class Restored:
    """A sequence after its run."""

    answer: Answer  # of the frame that is shown; its facts tell of all
    records: Mapping[str, Record]  # "restored", "std" where there is one, and the parts: of all
    # "mean", "sample", ... as they are compared with a reference: of a volume that has one
    compared: Mapping[str, Record]
    # some frames before, above the same after; (channels, rows, columns); None of a volume
    strip: Record | None


def restore_frames(
    problem: Problem,
    answer: Callable[[Problem, int], Answer],
    folder: Path | None,
    *,
    samples: bool = False,
) -> Restored:
    """Answer every frame; mean.npy and std.npy, (frames, *in_shape), are written into `folder`.

    answer: called with a frame and its number. samples: write samples.npy, (frames, chains,
    *in_shape), too. A reference is the frames' own. Of a volume the files are (channels, slices,
    *size) and (chains, channels, slices, *size). folder None: no arrays are written.
    """
    frames = problem.task.frames
    compared = frames.volume and problem.reference is not None
    signals: dict[str, Tensor] = {}
    shown, seconds = None, []
    for k, found, took in _answers(problem, answer):
        seconds.append(took)
        if folder is not None:
            for name, value in _arrays(found.posterior, samples=samples).items():
                axis = value.ndim - 3 if frames.volume else None
                write_at(folder / f"{name}.npy", value, k, frames.count, axis)
        for name, record in _of_frame(found, samples=samples, compared=compared).items():
            signals.setdefault(name, _like(record.signal, frames))[:, k] = record.signal[:, 0]
        shown = found if k == frames.shown else shown
        let_go()
    records = {
        name: frames.finish(frames.whole.with_signal(signal)) for name, signal in signals.items()
    }
    if "std" in records:
        records["std"] = replace(records["std"], kind="std")
    seen = {n.removeprefix(COMPARED): records.pop(n) for n in list(records) if COMPARED in n}
    told = {"slices": frames.count} if frames.volume else _facts(seconds)
    shown = replace(shown, problem=replace(shown.problem, task=shown.problem.task.with_facts(told)))
    strip = None
    if not frames.volume:
        strip = frames.whole.with_signal(_strip(frames.whole.signal, signals["restored"]))
    return Restored(shown, records, seen, strip)


def _answers(
    problem: Problem, answer: Callable[[Problem, int], Answer]
) -> Iterator[tuple[int, Answer, float]]:
    """The answer to each frame, and the seconds it took."""
    frames: Frames = problem.task.frames
    before = None
    for k in range(frames.count):
        started, posed = time.perf_counter(), frame_of(problem, k)
        if before is not None and frames.sigma_start is not None:
            begun = before if frames.carried is None else frames.carried(k, before)
            warm = replace(posed.task.sampler, init=begun, sigma_start=frames.sigma_start)
            posed = replace(posed, task=replace(posed.task, sampler=warm))
        found = answer(posed, k)
        before = found.posterior.mean
        yield k, found, time.perf_counter() - started


def _of_frame(found: Answer, *, samples: bool, compared: bool) -> dict[str, Record]:
    """What is to be written of one frame, by name, and what a volume is compared by."""
    made = {"restored": found.shown["mean"], **found.parts}
    if "baseline" in found.shown:
        made["baseline"] = found.shown["baseline"]
    if found.std is not None:
        made["std"] = found.std
    if samples:
        made |= {f"sample-{i + 1}": record for i, record in enumerate(found.samples)}
    if compared:
        seen = found.shown | {of: expected(draws) for of, draws in found.draws.items()}
        made |= {f"{COMPARED}{of}": record for of, record in seen.items()}
    return made


def _arrays(posterior: Posterior, *, samples: bool) -> dict[str, Tensor]:
    """What is kept of one frame as NumPy's files, by name."""
    made = {"mean": posterior.mean}
    if posterior.chains > 1:
        made["std"] = posterior.std
    return made | ({"samples": posterior.samples} if samples else {})


def _like(signal: Tensor, frames: Frames) -> Tensor:
    """Zeros on disk for frames of a signal's shape and type."""
    shape = (len(signal), frames.count, *signal.shape[2:])
    return torch.from_numpy(on_disk(shape, as_kind(signal)))


def _facts(seconds: list[float]) -> dict[str, float]:
    """What the report says of the run; the first frame begins from noise."""
    later = seconds[1:] or seconds
    return {
        "frames": len(seconds),
        "seconds of the first frame": round(seconds[0], 3),
        "seconds of each frame after it": round(sum(later) / len(later), 3),
    }


def _strip(before: Tensor, after: Tensor) -> Tensor:
    """Some frames side by side, before in the first row and after in the second."""
    which = torch.linspace(0, before.shape[1] - 1, min(SHOWN, before.shape[1])).round().long()
    step = max(1, before.shape[-1] // WIDTH)
    rows = [
        torch.cat([signal[:, int(k), ::step, ::step].clone() for k in which], -1)
        for signal in (before, after)
    ]
    return torch.cat(rows, -2)
