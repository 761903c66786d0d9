"""Frames of ultrasound for benchmarks: which are held out, what haze they get, what is posed."""

import argparse
from pathlib import Path

import torch
from restore_ultrasound.echoes.grid import to_grid
from restore_ultrasound.files.frames import BMODE
from restore_ultrasound.files.pictures import read_png
from restore_ultrasound.haze import compounded, haze, hazy
from restore_ultrasound.operators.companding import RANGE, companded, expanded, mu_of
from restore_ultrasound.recipes.dehaze import dehaze
from torch import Tensor

import restore
from restore.files.task import Record, Task
from restore.priors.prior import Prior

DATA = Path(__file__).parents[2] / "shared" / "data" / "ultrasound" / "spj"
STANDARD = "standard_ultrasound__standard_{}.png"
TESTED = tuple(STANDARD.format(n) for n in (20, 21, 22, 23, 24, 25))  # held out of training
TUNED = tuple(STANDARD.format(n) for n in (1, 2))  # held out, too
LEVELS = (-24.0, -18.0, -12.0)  # dB
MU = mu_of(RANGE)


def clean(name: str, side: int) -> Tensor:
    """A frame of the data on a grid; (1, rows, columns)."""
    return to_grid(read_png(DATA / name).signal[0][None], side)[0]


def spoiled(truth: Tensor, level: float, seed: int) -> tuple[Tensor, Tensor]:
    """The truth under haze, and the haze alone, companded; (1, rows, columns) each."""
    generator = torch.Generator().manual_seed(seed)
    field = haze(truth.shape[1:], generator, level)
    seen = hazy(expanded(truth[0], MU), field, generator)
    return tuple(companded(e.clamp(max=1), MU)[None] for e in (seen, compounded(field)))


def power_known(y: Tensor, haze_alone: Tensor) -> Tensor:
    """What is left of the power of y when that of the haze is taken away."""
    left = expanded(y, MU).square() - expanded(haze_alone, MU).square()
    return companded(left.clamp_min(0).sqrt(), MU)


def posed(y: Tensor, side: int, **options) -> Task:
    """dehaze of frames, (1, rows, columns) or (frames, rows, columns)."""
    return dehaze.solve(Record(y[None], BMODE, None, {"regions": None}), None, side=side, **options)


def drawn(task: Task, prior: Prior, asked: argparse.Namespace, **more) -> restore.Posterior:
    """Samples of a task, by what is asked for where `more` names nothing else."""
    own = dict(task.sampler.options) if asked.sampler == task.sampler.name else {}
    how = {"chains": asked.chains, "steps": asked.steps, "seed": 0, **own, **more}
    return restore.sample(task.measurement, prior, asked.sampler, **how)
