"""Other people's denoisers beside the embedded prior: the same pictures, the same sampler.

python -m benchmarks.foreign [--images FOLDER] [--priors FOLDER] [--count 4] [--crop 128]
                             [--chains 4] [--steps 30]

The checkpoints are converted by the importer into a folder that is thrown away. Denoisers of small
noise begin from total variation, as `restore run` has them begin. Nothing is tuned.
"""

import argparse
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from restore_image.recipes.photographs import baselines
from restore_operators import Blur, Identity, Mask, gaussian_kernel, random_mask
from torch import Tensor

import restore
from restore.networks.importing.converting import import_prior

from .images import SET12, _read
from .tables import publish, quality, table

PRIORS = SET12.parents[1] / "priors"
CHECKPOINTS = {
    "FFDNet": "FFDNet_gray.mat",
    "FDnCNN": "FDnCNN_gray.mat",
    "BF-CNN": "bf_cnn_bsd400_gray.pt",
}
SAMPLER = "diffpir"


@dataclass(frozen=True)
class Bench:
    """One degradation: shape -> operator, and the std of its noise."""

    operator: object
    std: float


BENCHES = {
    "inpaint 70 %, .02": Bench(lambda shape: Mask(random_mask(shape, 0.7, 0)), 0.02),
    "deblur 1.6, .02": Bench(
        lambda shape: Blur(shape, gaussian_kernel(1.6), boundary="reflect"), 0.02
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path, default=SET12)
    parser.add_argument("--priors", type=Path, default=PRIORS)
    parser.add_argument("--count", type=int, default=4)
    parser.add_argument("--crop", type=int, default=128)
    parser.add_argument("--chains", type=int, default=4)
    parser.add_argument("--steps", type=int, default=30)
    given = parser.parse_args()
    images = [_read(p, given.crop) for p in sorted(given.images.glob("*.png"))[: given.count]]
    run = {"chains": given.chains, "steps": given.steps}
    with tempfile.TemporaryDirectory() as folder:
        rows = [
            _row(name, _imported(given.priors / file, Path(folder) / name), images, run)
            for name, file in CHECKPOINTS.items()
            if (given.priors / file).exists()
        ]
    rows.append(_row("image-grey", restore.load_prior("image-grey"), images, run))
    head = ("prior", "denoise 25/255, one call", *BENCHES, "the same, from noise", "seconds")
    notes = (
        f"{len(images)} pictures of Set12, {given.crop}x{given.crop} from their middles; mean PSNR "
        f"in dB / SSIM of the mean of {given.chains} samples by {SAMPLER}, {given.steps} steps. "
        "From noise: the inpainting again, begun from noise of the prior's largest level in place "
        "of total variation."
    )
    publish("foreign", "Other people's denoisers as priors", notes, [table(head, rows)])


def _imported(file: Path, folder: Path) -> restore.Prior:
    import_prior(file, folder)
    return restore.load_prior(folder)


def _row(name: str, prior: restore.Prior, images: list[Tensor], run: dict[str, int]) -> list[str]:
    began = time.process_time()
    denoised = [_denoised(prior, i, x) for i, x in enumerate(images)]
    cells = [quality(denoised, images)]
    for bench in BENCHES.values():
        cells.append(quality([_restored(prior, bench, x, run, warm=True) for x in images], images))
    holes = BENCHES["inpaint 70 %, .02"]
    cold = [_restored(prior, holes, x, run, warm=False) for x in images]
    return [name, *cells, quality(cold, images), f"{time.process_time() - began:.0f}"]


def _denoised(prior: restore.Prior, seed: int, x: Tensor) -> Tensor:
    std = 25 / 255
    measurement = restore.simulate(Identity(x.shape), restore.Gaussian(std), x, seed=seed)
    with torch.no_grad():
        return prior.denoise(measurement.y, torch.tensor(std))[0]


def _restored(
    prior: restore.Prior, bench: Bench, x: Tensor, run: dict[str, int], *, warm: bool
) -> Tensor:
    measurement = restore.simulate(bench.operator(x.shape), restore.Gaussian(bench.std), x, seed=1)
    start = {}
    if not prior.reaches_noise:
        first = baselines(measurement)["tv"]()
        noise_alone = torch.full_like(x, 0.5)
        start = {"init": first if warm else noise_alone, "sigma_start": prior.sigma_max}
    return restore.sample(measurement, prior, SAMPLER, **run, **start).mean


if __name__ == "__main__":
    main()
