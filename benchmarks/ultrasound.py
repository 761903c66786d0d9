"""Ultrasound: simulated haze of known truth beside classical filters, and cines.

python -m benchmarks.ultrasound [--chains 8] [--steps 16] [--side 128] [--tissue P] [--haze P]

Haze at three levels (its loudest place under white), coherent with the tissue's echoes, on frames
of infant hips that the priors did not see. Each baseline's parameter is the best in PSNR of a grid,
on two other frames, for each level. gCNR is that of the dark and the bright part of the truth: the
lowest quarter, and the 50th to 90th percentile, of its local means. KS is the distance to the
truth's own distribution in the bright part. The cine is a frame that moves under haze that stays.
"""

import argparse
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from restore_ultrasound import baselines
from restore_ultrasound.echoes.grid import to_grid
from restore_ultrasound.files.frames import BMODE
from restore_ultrasound.files.pictures import read_png
from restore_ultrasound.haze import haze, hazy
from restore_ultrasound.metrics import gcnr, ks, psnr
from restore_ultrasound.operators.companding import RANGE, companded, expanded, mu_of
from restore_ultrasound.recipes.dehaze import dehaze
from scipy.ndimage import uniform_filter
from torch import Tensor

import restore
from restore.files.merit.coverage import covered
from restore.files.task import Record, Task
from restore.priors.prior import Prior

from .tables import publish, table

DATA = Path(__file__).parents[2] / "shared" / "data" / "ultrasound" / "spj"
STANDARD = "standard_ultrasound__standard_{}.png"
TESTED = tuple(STANDARD.format(n) for n in (20, 21, 22, 23, 24, 25))  # held out of training
TUNED = tuple(STANDARD.format(n) for n in (1, 2))
LEVELS = (-24.0, -18.0, -12.0)  # dB
GRIDS = {
    "nlm": [partial(baselines.nlm, strength=h) for h in (0.01, 0.02, 0.05, 0.1, 0.2)],
    "tv": [partial(baselines.tv, weight=w) for w in (0.005, 0.02, 0.05, 0.1, 0.2)],
    "srad": [partial(baselines.srad, steps=n) for n in (5, 20, 60, 150)],
}
CINE, SIZE = 8, 112
MU = mu_of(RANGE)


def clean(name: str, side: int) -> Tensor:
    """A frame of the data on a grid; (1, rows, columns)."""
    return to_grid(read_png(DATA / name).signal[0][None], side)[0]


def spoiled(truth: Tensor, level: float, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    field = haze(truth.shape[1:], generator, level)
    return companded(hazy(expanded(truth[0], MU), field, generator).clamp(max=1), MU)[None]


def figures(answer: Tensor, truth: Tensor) -> list[float]:
    """PSNR, gCNR and KS."""
    local = torch.from_numpy(uniform_filter(truth[0].numpy(), 9))[None]
    low, middle, high = np.quantile(local.numpy(), (0.25, 0.5, 0.9))
    dark, bright = local <= low, (local >= middle) & (local <= high)
    contrast = gcnr(answer[bright], answer[dark])
    return [psnr(answer, truth), contrast, ks(answer[bright], truth[bright])]


def best(level: float, side: int) -> dict[str, partial]:
    """Each baseline at the parameter of the highest PSNR on the frames for tuning."""
    pairs = [(truth := clean(n, side), spoiled(truth, level, 90 + i)) for i, n in enumerate(TUNED)]
    return {
        name: max(grid, key=lambda way: np.mean([psnr(way(y), truth) for truth, y in pairs]))
        for name, grid in GRIDS.items()
    }


def posed(y: Tensor, side: int) -> Task:
    return dehaze.solve(Record(y[None], BMODE, None, {"regions": None}), None, side=side)


def compare(level: float, prior: Prior, asked: argparse.Namespace) -> Iterator[list[str]]:
    """A row for each method: the means over the frames."""
    ways = best(level, asked.side)
    numbers: dict[str, list[list[float]]] = {}
    inside, seconds = [], []
    for seed, name in enumerate(TESTED[: asked.frames]):
        truth = clean(name, asked.side)
        y = spoiled(truth, level, seed)
        answers = {"hazy": y, **{name: way(y) for name, way in ways.items()}}
        task, started = posed(y, asked.side), time.perf_counter()
        posterior = drawn(task, prior, asked)
        seconds.append(time.perf_counter() - started)
        samples = [task.present(x).signal[0] for x in posterior.samples]
        answers["restore (mean)"] = task.present(posterior.mean).signal[0]
        answers["restore (one sample)"] = samples[0]
        inside.append(covered(samples, truth))
        for method, answer in answers.items():
            numbers.setdefault(method, []).append(figures(answer, truth))
    for method, rows in numbers.items():
        ours = method == "restore (mean)"
        more = [f"{np.mean(inside):.2f}", f"{np.mean(seconds):.1f}"] if ours else ["", ""]
        told = f"{method} {ways[method].keywords}" if method in ways else method
        means = np.mean(rows, 0)
        yield [f"{level:g} dB", told, *(f"{m:.2f}" for m in means), *more]


def drawn(task: Task, prior: Prior, asked: argparse.Namespace, **more) -> restore.Posterior:
    how = dict(task.sampler.options) if asked.sampler == task.sampler.name else {}
    return restore.sample(
        task.measurement, prior, asked.sampler, chains=asked.chains, steps=asked.steps, seed=0,
        **how, **more,
    )  # fmt: skip


def cine(prior: Prior, asked: argparse.Namespace) -> Iterator[list[str]]:
    """Independent frames beside those that begin from the one before."""
    whole = clean(TESTED[0], 2 * SIZE)
    truths = [whole[:, k : k + SIZE, 2 * k : 2 * k + SIZE] for k in range(CINE)]
    hazes = [spoiled(truth, LEVELS[1], 0) for truth in truths]
    yield ["SVD clutter filter", *_told(baselines.low_rank_removed(torch.cat(hazes)), truths), ""]
    for warm in (None, 0.4, 0.2, 0.1):
        before, answers, seconds, calls = None, [], [], []
        for y in hazes:
            task = posed(y, SIZE)
            start = {} if None in (before, warm) else {"init": before, "sigma_start": warm}
            started = time.perf_counter()
            posterior = drawn(task, prior, asked, **start)
            seconds.append(time.perf_counter() - started)
            calls.append(posterior.provenance["calls"])
            before = posterior.mean
            answers.append(task.present(before).signal[0])
        name = "independent" if warm is None else f"warm start at {warm:g}"
        rate = f"{1 / np.mean(seconds[1:]):.2f}"
        yield [name, *_told(torch.cat(answers), truths), f"{np.mean(calls[1:]):.0f}", rate]


def _told(answers: Tensor, truths: list[Tensor]) -> list[str]:
    """Mean PSNR, and flicker: the rms of the error's change from frame to frame."""
    errors = answers - torch.cat(truths)
    flicker = errors.diff(dim=0).square().mean().sqrt()
    quality = np.mean([psnr(a[None], t) for a, t in zip(answers, truths, strict=True)])
    return [f"{quality:.2f}", f"{float(flicker):.4f}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chains", type=int, default=8)
    parser.add_argument("--steps", type=int, default=16)
    parser.add_argument("--side", type=int, default=128)
    parser.add_argument("--frames", type=int, default=len(TESTED))
    parser.add_argument("--sampler", default="pigdm")
    parser.add_argument("--tissue", default="us-tissue")
    parser.add_argument("--haze", default="us-haze")
    parser.add_argument("--only", choices=["haze", "cine"])
    asked = parser.parse_args()
    prior = restore.joint(restore.load_prior(asked.tissue), restore.load_prior(asked.haze))
    rows, moving = [], []
    if asked.only != "cine":
        for level in LEVELS:
            rows += (made := list(compare(level, prior, asked)))
            print(*(" | ".join(row) for row in made), sep="\n", flush=True)
    if asked.only != "haze":
        moving = list(cine(prior, asked))
        print(*(" | ".join(row) for row in moving), sep="\n", flush=True)
    if asked.only:
        return
    notes = f"{__doc__.split(chr(10), 4)[4].strip()}\n\n{asked.sampler}, {asked.chains} chains, "
    notes += f"{asked.steps} steps, {asked.frames} frames of {asked.side} pixels a side."
    head = ["haze", "method", "PSNR", "gCNR", "KS", "90 % covers", "s a frame"]
    of_cine = ["frames", "PSNR", "flicker", "calls", "frames a second"]
    publish("ultrasound", "Haze in ultrasound", notes, [table(head, rows), table(of_cine, moving)])


if __name__ == "__main__":
    main()
