"""Ultrasound: simulated haze of known truth beside classical filters; cines and real frames.

python -m benchmarks.ultrasound [--chains 8] [--steps 16] [--side 96] [--frames 3] [--only cine]

Haze at three levels (its loudest place under white), coherent with the tissue's echoes, on frames
of infant hips that the priors did not see. Each baseline's parameter is the best in PSNR of a grid,
on two other frames, for each level. gCNR (256 bins) is that of the dark and the bright part of the
truth: the lowest quarter, and the 50th to 90th percentile, of its local means. "gCNR smoothed" is
that of the same answer after the same non-local means, those of the row nlm, so that no answer
gains by being smooth. KS is the distance to the truth's own distribution in the bright part. Three
rows are not answers, but what to hold them to: "truth"; "power known", from which the simulated
haze's own power is subtracted, pixel by pixel, so that what is left of it is interference; and
"haze alone", which shows no tissue: its gCNR is that of haze which is not as loud in the one part
as in the other, and no contrast of tissue.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import torch
from restore_ultrasound import baselines
from restore_ultrasound.metrics import gcnr, ks, psnr
from scipy.ndimage import uniform_filter
from torch import Tensor

import restore
from restore.files.merit.coverage import covered
from restore.priors.prior import Prior

from .tables import publish, table
from .ultrasound_cines import cine_part, real_part
from .ultrasound_data import LEVELS, TESTED, TUNED, clean, drawn, posed, power_known, spoiled

SMALL, FEW = 64, 6  # pixels a side and chains that samplers are compared with
SAMPLERS = (
    ("pigdm", 16, {}), ("pigdm", 8, {}), ("pigdm", 4, {}), ("pigdm", 40, {}),
    ("pigdm", 8, {"integrator": "heun"}),
    ("tmpd", 16, {}), ("tmpd", 16, {"integrator": "heun"}), ("daps", 16, {}),
    ("diffpir", 16, {}), ("dmps", 16, {}), ("dps", 40, {}), ("tds", 16, {}),
    ("pnp-dm", 16, {}), ("sitcom", 16, {}),
)  # fmt: skip
Way = Callable[[Tensor], Tensor]
GRIDS = {
    "nlm": [partial(baselines.nlm, strength=h) for h in (0.01, 0.02, 0.05, 0.1, 0.2)],
    "tv": [partial(baselines.tv, weight=w) for w in (0.005, 0.02, 0.05, 0.1, 0.2)],
    "srad": [partial(baselines.srad, steps=n) for n in (5, 20, 60, 150)],
}


def figures(answer: Tensor, truth: Tensor, smooth: Way) -> list[float]:
    """PSNR, gCNR, gCNR smoothed and KS."""
    local = torch.from_numpy(uniform_filter(truth[0].numpy(), 9))[None]
    low, middle, high = np.quantile(local.numpy(), (0.25, 0.5, 0.9))
    dark, bright = local <= low, (local >= middle) & (local <= high)
    contrasts = [gcnr(a[bright], a[dark]) for a in (answer, smooth(answer))]
    return [psnr(answer, truth), *contrasts, ks(answer[bright], truth[bright])]


def best(level: float, side: int) -> dict[str, partial]:
    """Each baseline at the parameter of the highest PSNR on the frames for tuning."""
    truths = [clean(name, side) for name in TUNED]
    pairs = [(truth, spoiled(truth, level, 90 + i)[0]) for i, truth in enumerate(truths)]
    return {
        name: max(grid, key=lambda way: np.mean([psnr(way(y), truth) for truth, y in pairs]))
        for name, grid in GRIDS.items()
    }


def compare(level: float, prior: Prior, asked: argparse.Namespace) -> Iterator[list[str]]:
    """A row for each method: the means over the frames."""
    ways = best(level, asked.side)
    numbers: dict[str, list[list[float]]] = {}
    inside, seconds = [], []
    for seed, name in enumerate(TESTED[: asked.frames]):
        truth = clean(name, asked.side)
        y, haze_alone = spoiled(truth, level, seed)
        answers = {"truth": truth, "power known": power_known(y, haze_alone)}
        answers |= {"haze alone": haze_alone, "hazy": y}
        answers |= {name: way(y) for name, way in ways.items()}
        task, started = posed(y, asked.side), time.process_time()
        posterior = drawn(task, prior, asked)
        seconds.append(time.process_time() - started)
        samples = [task.present(x).signal[0] for x in posterior.samples]
        answers["restore (mean)"] = task.present(posterior.mean).signal[0]
        answers["restore (one sample)"] = samples[0]
        inside.append(covered(samples, truth))
        for method, answer in answers.items():
            numbers.setdefault(method, []).append(figures(answer, truth, ways["nlm"]))
    for method, rows in numbers.items():
        ours = method == "restore (mean)"
        more = [f"{np.mean(inside):.2f}", f"{np.mean(seconds):.1f}"] if ours else ["", ""]
        told = f"{method} {ways[method].keywords}" if method in ways else method
        means = np.mean(rows, 0)
        yield [f"{level:g} dB", told, *(f"{m:.2f}" for m in means), *more]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chains", type=int, default=8)
    parser.add_argument("--steps", type=int, default=16)
    parser.add_argument("--side", type=int, default=96)
    parser.add_argument("--frames", type=int, default=3)
    parser.add_argument("--cine-frames", type=int, default=3)
    parser.add_argument("--cine-chains", type=int, default=2)
    parser.add_argument("--sampler", default="pigdm")
    parser.add_argument("--tissue", default="us-tissue")
    parser.add_argument("--haze", default="us-haze")
    parser.add_argument("--only", choices=["haze", "cine", "real", "samplers"])
    asked = parser.parse_args()
    prior = restore.joint(restore.load_prior(asked.tissue), restore.load_prior(asked.haze))
    parts = {"haze": haze_part, "cine": cine_part, "real": real_part}
    parts["samplers"] = samplers_part
    wanted = [asked.only] if asked.only else list(parts)
    first, *others = [text for name in wanted for text in parts[name](prior, asked)]
    if asked.only:
        print(first, *others, sep="\n\n")
    else:
        publish("ultrasound", "Haze in ultrasound", first, others)


def haze_part(prior: Prior, asked: argparse.Namespace) -> tuple[str, str]:
    rows = []
    for level in LEVELS:
        rows += (made := list(compare(level, prior, asked)))
        print(*(" | ".join(row) for row in made), sep="\n", flush=True)
    head = ["haze", "method", "PSNR", "gCNR", "gCNR smoothed", "KS", "90 % covers", "CPU s a frame"]
    told = f"{asked.sampler}, {asked.chains} chains, {asked.steps} steps, {asked.frames} frames of "
    told += f"at most {asked.side} pixels a side."
    return f"{__doc__.split(chr(10), 4)[4].strip()}\n\n{told}", table(head, rows)


def samplers_part(prior: Prior, asked: argparse.Namespace) -> tuple[str, str]:
    """What the table is of, and the table."""
    truths = [clean(name, SMALL) for name in TUNED]
    pairs = [(truth, spoiled(truth, LEVELS[1], 90 + i)[0]) for i, truth in enumerate(truths)]
    rows = []
    for name, steps, options in SAMPLERS:
        told = " ".join([name, str(steps), *options.values()])
        try:
            rows.append([told, *_of_sampler(prior, name, steps, options, pairs)])
        except (ValueError, ArithmeticError, RuntimeError) as error:
            rows.append([told, str(error).split(":")[-1].strip(), "", "", "", "", ""])
        print(*rows[-1], sep=" | ", flush=True)
    told = f"Samplers and steps on the two frames for tuning, haze of {LEVELS[1]:g} dB, at most "
    told += f"{SMALL} pixels a side, {FEW} chains. Misfit: chi-square, about 1 is right."
    head = ["sampler", "PSNR", "gCNR", "KS", "90 % covers", "misfit", "CPU s a frame"]
    return told, table(head, rows)


def _of_sampler(prior: Prior, name: str, steps: int, options: dict, pairs) -> list[str]:
    found, started = [], time.process_time()
    for truth, y in pairs:
        task = posed(y, SMALL)
        how = {"chains": FEW, "steps": steps, "seed": 0, **options}
        posterior = restore.sample(task.measurement, prior, name, **how)
        samples = [task.present(x).signal[0] for x in posterior.samples]
        merits = figures(task.present(posterior.mean).signal[0], truth, lambda answer: answer)
        misfit = task.measurement.chi_square(posterior.samples).mean().item()
        found.append([merits[0], merits[1], merits[3], covered(samples, truth), misfit])
    took = (time.process_time() - started) / len(pairs)
    return [*(f"{m:.2f}" for m in np.mean(found, 0)), f"{took:.0f}"]


if __name__ == "__main__":
    main()
