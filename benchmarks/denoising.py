"""Single-pass denoising of Set12 by the embedded grey prior, beside BM3D, NLM and TV.

python -m benchmarks.denoising [--images FOLDER]
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from restore_image.metrics import psnr
from restore_operators import Identity

import restore
from restore.measurement.measurement import simulate
from restore.measurement.noise import Gaussian

from . import baselines
from .images import SET12, Bench, _read, _tuning
from .tables import publish, table

LEVELS = (15, 25, 50)
RIVALS = (
    ("BM3D", baselines.bm3d, (1.0,)),
    ("NLM", baselines.nlm, (0.6, 0.8, 1.0, 1.2)),
    ("TV", baselines.tv_denoise, (0.8, 1.0, 1.2, 1.5)),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path, default=SET12)
    parser.add_argument("--prior", default="image-grey")
    given = parser.parse_args()
    images = [_read(path, 10_000) for path in sorted(given.images.glob("*.png"))]
    prior = restore.load_prior(given.prior)

    def ours(y, operator, std, weight):
        with torch.no_grad():
            return prior.denoise(y[None], std)[0]

    methods = (("restore image-grey", ours, (1.0,)), *RIVALS)
    rows = [
        [name, *(_row(method, weights, s, images) for s in LEVELS)]
        for name, method, weights in methods
    ]
    head = ("method", *(f"{level}/255" for level in LEVELS))
    notes = (
        f"{len(images)} images of Set12, whole; mean PSNR in dB of one network call, beside "
        "baselines whose weight was tuned on photographs of scikit-image."
    )
    publish("denoising", "Denoising Set12", notes, [table(head, rows)])


def _row(method, weights, level: int, images) -> str:
    std = level / 255
    try:
        weight = baselines.tuned(method, weights, _tuning(Bench(Identity, std, (), ()), 128))
        values = []
        for i, x in enumerate(images):
            measurement = simulate(Identity(x.shape), Gaussian(std), x, seed=i)
            estimate = method(measurement.y[0].float(), measurement.operator, std, weight)
            values.append(psnr(estimate, x))
    except ImportError as error:
        return f"{error.name} is not installed"
    return f"{np.mean(values):.2f}"


if __name__ == "__main__":
    main()
