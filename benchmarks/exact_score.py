"""The exact posterior score beside other samplers, all on the embedded prior of noise maps.

python -m benchmarks.exact_score [--images FOLDER] [--count 4] [--crop 96]
                                 [--samplers exact-score,diffpir] [--holes 4]

Nothing is tuned on these pictures: every sampler has its defaults.
"""

import argparse
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from restore_image.metrics import psnr
from restore_operators import Mask, random_mask
from torch import Tensor

import restore
from restore.files.merit.coverage import covered

from .images import SET12, _read
from .tables import publish, table

HOLES = ((0.7, 0.02), (0.5, 0.1), (0.02, 0.1), (0.9, 0.02))  # share that is missing, noise
RUNS: Mapping[str, tuple[str, int]] = {
    "exact-score, 25 steps": ("exact-score", 25),
    "exact-score, 50": ("exact-score", 50),
    "diffpir, 25": ("diffpir", 25),
    "pigdm, 25": ("pigdm", 25),
    "tmpd, 25": ("tmpd", 25),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path, default=SET12)
    parser.add_argument("--count", type=int, default=4)
    parser.add_argument("--crop", type=int, default=96)
    parser.add_argument("--samplers", help="names, joined by commas; all otherwise")
    parser.add_argument("--holes", type=int, default=len(HOLES), help="so many kinds of holes")
    given = parser.parse_args()
    images = [_read(p, given.crop) for p in sorted(given.images.glob("*.png"))[: given.count]]
    prior = restore.load_prior("image-grey-map")
    asked = None if given.samplers is None else given.samplers.split(",")
    runs = [run for run, (sampler, _) in RUNS.items() if asked is None or sampler in asked]
    rows = [
        [
            f"{missing:.0%} missing, {std}",
            *(_cell(prior, run, missing, std, images) for run in runs),
        ]
        for missing, std in HOLES[: given.holes]
    ]
    notes = (
        f"{len(images)} pictures of Set12, {given.crop}x{given.crop} from their middles, 8 chains, "
        "each sampler with its defaults: PSNR of the mean in dB / root mean square deviation over "
        "error (0.94 is right for 8 chains) / share of the truth in 90 % intervals / CPU seconds a "
        "picture."
    )
    publish("exact_score", "The exact score", notes, [table(("inpainting", *runs), rows)])


def _cell(prior: restore.Prior, run: str, missing: float, std: float, images: list[Tensor]) -> str:
    sampler, steps = RUNS[run]
    figures = []
    for i, x in enumerate(images):
        operator = Mask(random_mask(x.shape, missing, seed=i))
        measurement = restore.simulate(operator, restore.Gaussian(std), x, seed=i)
        began = time.process_time()
        made = restore.sample(measurement, prior, sampler, chains=8, steps=steps, seed=i)
        seconds = time.process_time() - began
        error, deviation = made.mean - x, made.std
        ratio = (deviation.square().mean() / error.square().mean()).sqrt().item()
        figures.append((psnr(made.mean, x), ratio, covered(list(made.samples), x), seconds))
    peak, ratio, inside, seconds = np.mean(figures, axis=0)
    return f"{peak:.2f} / {ratio:.2f} / {inside:.2f} / {seconds:.1f}"


if __name__ == "__main__":
    main()
