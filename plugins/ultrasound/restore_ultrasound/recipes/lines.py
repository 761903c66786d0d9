"""us-lines: scan lines that were not taken, and which one to take next.

Lines that are taken where samples of the posterior differ most: active diffusion subsampling
(Nolan et al., 2024, arXiv:2406.14388).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from restore.files.answers.on_disk import each
from restore.files.task import Comparison, Recipe, Record, SamplerChoice, Task
from restore.measurement.measurement import Measurement
from restore.measurement.noise import Gaussian
from restore.priors.prior import Prior
from restore.sampling.by_name import sample

from ..echoes.echoes import Echoes, echoes
from ..echoes.grid import SIDE
from ..files.frames import BMODE
from ..operators.lines import EQUISPACED, RANDOM, line_mask, next_line, taken_lines
from .posing import TISSUE, checked_noise, checked_warm, format_of, of_frames

STEPS, LOOK = 20, 10  # of the answer, and of the samples that a choice is made by
NOISE = 0.02
ACTIVE = "active"
ROUNDS, PARTICLES = 6, 6


@dataclass(frozen=True)
class Lines:
    """Frames of which some lines are taken."""

    seen: Echoes
    mask: Tensor  # (lines,) of the grid: 1 where taken
    noise: float

    def measurement(self, k: int) -> Measurement:
        y = self.seen.grid(k)
        operator = taken_lines(tuple(y.shape), self.mask)
        return Measurement(operator(y[None])[0], operator, Gaussian(self.noise))

    def present(self, k: int, signal: Tensor) -> Record:
        return self.seen.filled(k, signal, self.mask == 0)


def solve_lines(
    record: Record,
    noise: float | None,
    *,
    taken: int = 0,
    mask: str = EQUISPACED,
    mask_seed: int = 0,
    region: str = "",
    side: int = SIDE,
    warm: float = 0.2,
) -> Task:
    """Fill in scan lines: columns of a linear probe's frame, or of a frame still in lines.

    Without --taken the lines that are black from top to bottom are missing. With it so many of all
    are taken, the others are restored, and of a single frame compared with what the file holds.

    taken: lines to take of a full frame; 0 for those that the file has
    mask: equispaced, random, or active, each next one where the posterior is unsure
    mask_seed: of random lines
    region: box of the echoes, x0,y0,x1,y1, or all; else the file's own ultrasound regions
    side: pixels of the grid that the prior sees, at most; all lines must fit
    warm: noise of the frame before that the next one begins from; 0 for none
    """
    noise = checked_noise(noise, NOISE)
    if record.kind != BMODE:
        raise ValueError(f"{record.source} holds {record.kind}; us-lines takes frames as displayed")
    seen = echoes(record, region, side, whole=True)
    count = seen.grid(0).shape[-1]
    if count != seen.size[1]:
        raise ValueError(f"{record.source} has {seen.size[1]} lines; give --side {seen.size[1]}")
    if mask not in (EQUISPACED, RANDOM, ACTIVE):
        raise ValueError(f"lines are {EQUISPACED}, {RANDOM} or {ACTIVE}, not {mask!r}")
    if mask == ACTIVE and taken < 4:
        raise ValueError("active lines need --taken, 4 at least")
    start = max(2, taken // 4) if mask == ACTIVE else taken
    kind = EQUISPACED if mask == ACTIVE else mask
    chosen = line_mask(count, start, kind, mask_seed) if taken else present_lines(seen)
    lines = Lines(seen, chosen, noise)
    task = task_of(lines, checked_warm(warm), compared=bool(taken))
    if mask == ACTIVE:
        task = replace(task, pose_with_prior=acquisition(lines, taken, warm))
    return task


def present_lines(seen: Echoes) -> Tensor:
    """1 where a line is not black from top to bottom in every frame; ValueError where none is."""
    lit = torch.stack([seen.brightness(k).amax(0) for k in each(range(seen.count))])
    lit = lit.amax(0) > 0
    if bool(lit.all()):
        raise ValueError(
            f"{seen.record.source}: no line is missing; --taken 32 leaves out all but so many"
        )
    return lit.float()


def task_of(lines: Lines, warm: float, *, compared: bool) -> Task:
    """The middle frame as a task, with all of them where there are several."""
    seen = lines.seen

    def frame(k: int) -> Task:
        task = Task(
            lines.measurement(k),
            TISSUE,
            SamplerChoice("tmpd", STEPS),
            lambda signal: lines.present(k, signal),
            comparison=Comparison(
                input_shown=lines.present(k, torch.zeros_like(seen.grid(k))),
                baselines={"interpolation": lambda: between(lines, k)},
            ),
            facts={**seen.facts, "lines taken": int(lines.mask.sum()), "lines": len(lines.mask)},
            format=format_of(seen.record, seen),
        )
        whole = seen.record.with_signal(seen.record.signal[:, k : k + 1])
        return task.compared_with(whole) if compared and seen.count == 1 else task

    return of_frames(seen, frame, warm)


def between(lines: Lines, k: int) -> Tensor:
    """Frame k's missing lines, linear between those taken; (1, rows, lines)."""
    import numpy as np

    y = lines.seen.grid(k)[0].numpy()
    places, have = np.arange(y.shape[1]), np.flatnonzero(lines.mask.numpy())
    filled = np.stack([np.interp(places, have, row[have]) for row in y])
    return torch.from_numpy(filled).to(torch.float32)[None]


def acquisition(lines: Lines, budget: int, warm: float) -> Callable[[Prior], Task]:
    """prior -> the task of the lines that its posterior of the middle frame asks for."""

    def posed(prior: Prior) -> Task:
        now, middle = lines, lines.seen.count // 2
        while (have := int(now.mask.sum())) < budget:
            found = sample(
                now.measurement(middle), prior, "tmpd", chains=PARTICLES, steps=LOOK, seed=have
            )
            share = -(-(budget - int(lines.mask.sum())) // ROUNDS)
            now = replace(now, mask=_with_next(found.samples, now, min(share, budget - have)))
        task = task_of(now, warm, compared=True)
        return task.with_facts({"mask": ACTIVE, "taken": now.mask.nonzero().flatten().tolist()})

    return posed


def _with_next(particles: Tensor, lines: Lines, count: int) -> Tensor:
    """The mask with `count` lines more; those beside a new one wait for another round."""
    mask, blocked = lines.mask.clone(), lines.mask.clone()
    for _ in range(count):
        if bool(blocked.all()):
            blocked = mask.clone()
        line = next_line(particles, blocked, lines.noise)
        mask[line] = 1
        blocked[max(0, line - 1) : line + 2] = 1
    return mask


lines = Recipe(solve_lines, slices=True)
