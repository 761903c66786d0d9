"""Which sampler, and how many steps, for which photographs: the defaults of the image recipes.

python -m benchmarks.choose [--crop 96] [--chains 8] [--steps 10,25,50,100] [--only TASK]
                            [--samplers diffpir,exact-score] [--colour]

Photographs of scikit-image, grey or colour, halved, which no prior was trained on and no acceptance
uses. For each task the choice is the run whose 90 % intervals cover nearest to 0.9, of those whose
mean lies within 0.2 dB of the best.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from restore_image.metrics import psnr, ssim
from restore_operators import (
    Bayer,
    Blur,
    Downsample,
    Identity,
    Mask,
    bicubic_kernel,
    gaussian_kernel,
    motion_kernel,
)
from restore_operators import random_mask as holes
from torch import Tensor

import restore
from restore.files.merit.coverage import covered, sample_std
from restore.measurement.measurement import Measurement
from restore.samplers.integrators.integrators import dpm_solver_sde

from .images import _prior, photographs
from .tables import publish, table

NEAR = 0.2  # dB below the best mean that a run may lie to be chosen
TASKS = {
    "denoise 25/255": (Identity, 25 / 255),
    "inpaint 70 % missing, 0.02": (lambda shape: some(shape, 0.3), 0.02),
    "inpaint 50 % missing, 0.1": (lambda shape: some(shape, 0.5), 0.1),
    "deblur Gaussian 1.6, 0.02": (
        lambda shape: Blur(shape, gaussian_kernel(1.6), boundary="reflect"),
        0.02,
    ),
    "deblur motion 9, 0.02": (
        lambda shape: Blur(shape, motion_kernel(9, 30), boundary="reflect"),
        0.02,
    ),
    "superresolve x2, 0.02": (
        lambda shape: Downsample(shape, 2, bicubic_kernel(2), boundary="reflect"),
        0.02,
    ),
    "demosaic, 0.02": (Bayer, 0.02),  # colour alone
}
PLAIN, MAPS = "image-grey", "image-grey-map"
IN_COLOUR = {PLAIN: "image-colour", MAPS: "image-colour-map"}
SAMPLERS: dict[str, tuple[str, dict]] = {  # name -> (prior, options); the sampler before a comma
    "diffpir": (PLAIN, {}),
    "diffpir, trust 0.3": (PLAIN, {"trust": 0.3}),
    "pigdm": (PLAIN, {}),
    "pigdm, second order": (PLAIN, {"integrator": dpm_solver_sde}),
    "tmpd, 2": (PLAIN, {"solver_steps": 2}),
    "free-hunch": (PLAIN, {"integrator": dpm_solver_sde}),
    "free-hunch, ancestral": (PLAIN, {}),
    "pnp-dm, 1 sweep": (PLAIN, {"sweeps": 1}),
    "daps": (PLAIN, {}),
    "exact-score": (MAPS, {"integrator": dpm_solver_sde}),
    "exact-score, ancestral": (MAPS, {}),
    "stochastic-denoising": (PLAIN, {}),  # white noise alone
}


def some(shape: tuple[int, ...], share: float) -> Mask:
    """A share of the pixels at random, in all their colours."""
    return Mask(holes((1, *shape[1:]), 1 - share, 0), shape)


@dataclass(frozen=True)
class Run:
    """A sampler with so many steps, and its figures: means over the photographs."""

    name: str
    steps: int
    mean: float  # PSNR in dB
    ssim: float  # of the mean
    sample: float  # PSNR of one
    width: float  # standard deviation over error
    inside: float  # of 90 % intervals
    seconds: float  # of the processor, a photograph

    @property
    def row(self) -> list[str]:
        return [
            self.name, str(self.steps), f"{self.mean:.2f}", f"{self.ssim:.3f}",
            f"{self.sample:.2f}", f"{self.width:.2f}", f"{self.inside:.2f}", f"{self.seconds:.1f}",
        ]  # fmt: skip


def chosen(runs: Sequence[Run]) -> Run:
    """The run whose intervals hold best, of those about as good as the best."""
    best = max(run.mean for run in runs)
    near = [run for run in runs if run.mean >= best - NEAR]
    return min(near, key=lambda run: abs(run.inside - 0.9))


def runs_of(task: str, given: argparse.Namespace) -> Iterator[Run]:
    """All runs of a task that its samplers can do."""
    operator_of, std = TASKS[task]
    problems = []
    for seed, x in enumerate(photographs(given.crop, "RGB" if given.colour else "L")):
        noise = restore.Gaussian(std)
        problems.append((x, restore.simulate(operator_of(x.shape), noise, x, seed=seed)))
    for name, steps in product(SAMPLERS, given.steps):
        if given.samplers is not None and name.partition(",")[0] not in given.samplers:
            continue
        try:
            figures = [_figures(name, steps, x, measurement, given) for x, measurement in problems]
        except (TypeError, ValueError):  # an operator that the sampler cannot take
            continue
        yield Run(name, steps, *np.mean(figures, axis=0).tolist())


def _figures(
    name: str, steps: int, x: Tensor, measurement: Measurement, given: argparse.Namespace
) -> tuple[float, ...]:
    prior, options = SAMPLERS[name]
    prior = IN_COLOUR[prior] if given.colour else prior
    began = time.process_time()
    posterior = restore.sample(
        measurement, _prior(prior), name.partition(",")[0], chains=given.chains, steps=steps,
        seed=0, **options,
    )  # fmt: skip
    seconds = time.process_time() - began
    samples, error = list(posterior.samples), posterior.mean - x
    width = (sample_std(samples).square().mean() / error.square().mean()).sqrt().item()
    inside = covered(samples, x)
    shown = [measure(posterior.mean, x) for measure in (psnr, ssim)]
    return *shown, psnr(samples[0], x), width, inside, seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--crop", type=int, default=96)
    parser.add_argument("--chains", type=int, default=8)
    parser.add_argument(
        "--steps", type=lambda text: [int(n) for n in text.split(",")], default=[10, 25, 50, 100]
    )
    parser.add_argument("--only", help="tasks whose name begins so")
    parser.add_argument("--colour", action="store_true")
    parser.add_argument("--samplers", type=lambda text: text.split(","))
    given = parser.parse_args()
    torch.set_num_threads(1)
    tables = []
    for task in TASKS:
        if task.startswith("demosaic") and not given.colour:
            continue
        if given.only is None or task.startswith(given.only):
            runs = list(runs_of(task, given))
            best = chosen(runs)
            head = ["sampler", "steps", "mean", "SSIM", "sample", "sd/error", "90 % covers", "s"]
            text = f"## {task}\n\n{table(head, [run.row for run in runs])}"
            tables.append(f"{text}\n\nChosen: {best.name}, {best.steps} steps.")
            print(tables[-1], flush=True)
    notes = (
        f"{__doc__.split(chr(10) * 2, 2)[2].strip()}\n\nPhotographs of {given.crop}x{given.crop}, "
        f"{given.chains} chains; PSNR in dB; {(1 + 1 / given.chains) ** -0.5:.2f} is right for the "
        "deviation over the mean's error; seconds of the processor for a photograph."
    )
    if given.only is None:
        kind = "colour" if given.colour else "grey"
        publish(f"choose_{kind}", f"Defaults of the image recipes, {kind}", notes, tables)


if __name__ == "__main__":
    main()
