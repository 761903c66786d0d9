"""The exact posterior score beside other samplers, all on the embedded prior of noise maps.

python -m benchmarks.exact_score [--images FOLDER] [--count 4] [--crop 96]
                                 [--samplers exact-score,diffpir] [--only blur] [--prior NAME]

Nothing is tuned on these pictures: every sampler has its defaults.
"""

import argparse
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from restore_image.metrics import psnr
from restore_operators import (
    Blur,
    Downsample,
    Mask,
    gaussian_kernel,
    motion_kernel,
    random_mask,
)  # fmt: skip
from torch import Tensor

import restore
from restore.files.merit.coverage import covered
from restore.measurement.operator import LinearOperator
from restore.samplers.integrators.integrators import dpm_solver_sde

from .images import SET12, _read
from .tables import publish, table

PROBLEMS: Mapping[str, tuple[Callable[[tuple[int, ...], int], LinearOperator], float]] = {
    "70 % missing, 0.02": (lambda shape, seed: Mask(random_mask(shape, 0.7, seed=seed)), 0.02),
    "50 % missing, 0.1": (lambda shape, seed: Mask(random_mask(shape, 0.5, seed=seed)), 0.1),
    "2 % missing, 0.1": (lambda shape, seed: Mask(random_mask(shape, 0.02, seed=seed)), 0.1),
    "90 % missing, 0.02": (lambda shape, seed: Mask(random_mask(shape, 0.9, seed=seed)), 0.02),
    "Gaussian blur 1.6, 0.02": (lambda shape, _: mirrored(shape, gaussian_kernel(1.6)), 0.02),
    "Gaussian blur 1.6, 0.1": (lambda shape, _: mirrored(shape, gaussian_kernel(1.6)), 0.1),
    "Gaussian blur 3, 0.02": (lambda shape, _: mirrored(shape, gaussian_kernel(3.0)), 0.02),
    "motion blur 9 on a circle, 0.02": (lambda shape, _: Blur(shape, motion_kernel(9, 30)), 0.02),
    "half the size, 0.02": (lambda shape, _: Downsample(shape, 2, boundary="reflect"), 0.02),
}  # operator of a shape and a picture's number, and noise
RUNS: Mapping[str, tuple[str, int, Mapping[str, Any]]] = {  # sampler, steps, options
    "exact-score, 15 steps": ("exact-score", 15, {"integrator": dpm_solver_sde}),
    "25": ("exact-score", 25, {"integrator": dpm_solver_sde}),
    "ancestral, 50": ("exact-score", 50, {}),
    "diffpir, 25": ("diffpir", 25, {}),
    "pigdm, 25": ("pigdm", 25, {}),
    "tmpd, 25": ("tmpd", 25, {}),
}


def mirrored(shape: tuple[int, ...], kernel: Tensor) -> Blur:
    """A blur of a scene that goes on beyond the picture as in a mirror, the recipe's default."""
    return Blur(shape, kernel, boundary="reflect")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path, default=SET12)
    parser.add_argument("--count", type=int, default=4)
    parser.add_argument("--crop", type=int, default=96)
    parser.add_argument("--samplers", help="names, joined by commas; all otherwise")
    parser.add_argument("--only", default="", help="problems whose name holds this")
    parser.add_argument("--prior", default="image-grey-map", help="a name, or a folder")
    given = parser.parse_args()
    images = [_read(p, given.crop) for p in sorted(given.images.glob("*.png"))[: given.count]]
    prior = restore.load_prior(given.prior)
    asked = None if given.samplers is None else given.samplers.split(",")
    runs = [run for run, (sampler, *_) in RUNS.items() if asked is None or sampler in asked]
    rows = []
    for problem in PROBLEMS:
        if given.only in problem:
            rows.append([problem, *(_cell(prior, run, problem, images) for run in runs)])
            print(*rows[-1], sep=" | ", flush=True)
    notes = (
        f"{len(images)} pictures of Set12, {given.crop}x{given.crop} from their middles, 8 chains, "
        "each sampler with its defaults; exact-score by the integrator of the recipes, "
        "dpm_solver_sde, and by ancestral steps. PSNR of the mean in dB / root mean square "
        "deviation over error (0.94 is right for 8 chains) / share of the truth in 90 % intervals "
        "/ CPU seconds a picture."
    )
    if not given.only:
        publish("exact_score", "The exact score", notes, [table(("", *runs), rows)])


def _cell(prior: restore.Prior, run: str, problem: str, images: list[Tensor]) -> str:
    (sampler, steps, options), (operator_of, std) = RUNS[run], PROBLEMS[problem]
    figures = []
    for i, x in enumerate(images):
        operator = operator_of(tuple(x.shape), i)
        measurement = restore.simulate(operator, restore.Gaussian(std), x, seed=i)
        began = time.process_time()
        made = restore.sample(measurement, prior, sampler, chains=8, steps=steps, seed=i, **options)
        seconds = time.process_time() - began
        error, deviation = made.mean - x, made.std
        ratio = (deviation.square().mean() / error.square().mean()).sqrt().item()
        figures.append((psnr(made.mean, x), ratio, covered(list(made.samples), x), seconds))
    peak, ratio, inside, seconds = np.mean(figures, axis=0)
    return f"{peak:.2f} / {ratio:.2f} / {inside:.2f} / {seconds:.1f}"


if __name__ == "__main__":
    main()
