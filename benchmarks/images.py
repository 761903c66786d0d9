"""Restoration of Set12 beside the baselines a user would pick, and beside deepinv.

python -m benchmarks.images [--images FOLDER] [--crop 128] [--chains 8] [--steps 50] [--only TASK]

Baselines and our samplers are tuned on scikit-image's photographs (camera left out: it is in
Set12), never on Set12. The noise is drawn on the clean pixels; nothing is rounded or clipped.
"""

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from restore_operators import (
    Blur,
    Downsample,
    Identity,
    Mask,
    bicubic_kernel,
    gaussian_kernel,
    random_mask,
)
from torch import Tensor

import restore
from restore.measurement.measurement import Measurement, simulate, stack
from restore.measurement.noise import Gaussian

from . import baselines, peers
from .tables import publish, quality, table

SET12 = Path(__file__).parents[2] / "shared" / "data" / "images" / "set12"


@dataclass(frozen=True)
class Bench:
    """One kind of degradation: its operator, its noise, and who restores it."""

    operator: object  # shape -> LinearOperator
    std: float
    samplers: tuple[tuple[str, dict], ...]  # name, options
    rivals: tuple[tuple[str, object, tuple[float, ...]], ...]  # name, baseline, weights to try


TV = (0.03, 0.06, 0.12, 0.25, 0.5, 1.0, 2.0)
TASKS = {
    "denoise 25/255": Bench(
        Identity,
        25 / 255,
        (("stochastic-denoising", {}), ("pigdm", {})),
        (
            ("NLM", baselines.nlm, (0.6, 0.8, 1.0, 1.2)),
            ("TV (Chambolle)", baselines.tv_denoise, (0.8, 1.0, 1.2, 1.5)),
            ("BM3D", baselines.bm3d, (1.0,)),
        ),
    ),
    "inpaint 70 % missing, 0.02": Bench(
        lambda shape: Mask(random_mask(shape, 0.7, 0)),
        0.02,
        (("tmpd", {"solver_steps": 2}), ("pigdm", {}), ("dps", {}), ("diffpir", {}), ("ddnm", {})),
        (
            ("biharmonic", baselines.biharmonic, (1.0,)),
            ("TV", baselines.tv, TV),
        ),
    ),
    "deblur Gaussian 1.6, 0.02": Bench(
        lambda shape: Blur(shape, gaussian_kernel(1.6), boundary="reflect"),
        0.02,
        (("tmpd", {"solver_steps": 2}), ("pigdm", {}), ("dps", {}), ("diffpir", {}), ("ddnm", {})),
        (
            ("Wiener", baselines.wiener, (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)),
            ("TV", baselines.tv, TV),
        ),
    ),
    "superresolve x2, 0.02": Bench(
        lambda shape: Downsample(shape, 2, bicubic_kernel(2), boundary="reflect"),
        0.02,
        (("tmpd", {"solver_steps": 2}), ("pigdm", {}), ("dps", {}), ("diffpir", {}), ("ddnm", {})),
        (
            ("bicubic", baselines.bicubic, (1.0,)),
            ("TV", baselines.tv, TV),
        ),
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path, default=SET12)
    parser.add_argument("--crop", type=int, default=128)
    parser.add_argument("--chains", type=int, default=8)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--only", help="a task whose name begins so")
    parser.add_argument("--samplers", help="names, joined by commas; all otherwise")
    parser.add_argument("--prior", default="image-grey")
    parser.add_argument("--peers", action="store_true", help="deepinv too, if it is installed")
    given = parser.parse_args()
    images = [_read(path, given.crop) for path in sorted(given.images.glob("*.png"))]
    prior = restore.load_prior(given.prior)
    tables = []
    for name, bench in TASKS.items():
        if given.only is None or name.startswith(given.only):
            rows = measure(bench, images, prior, given)
            tables.append(f"## {name}\n\n" + table(HEAD, rows))
    notes = (
        f"{len(images)} images of Set12, {given.crop}x{given.crop} from their middles; mean PSNR "
        f"in dB / SSIM; {given.chains} chains, {given.steps} steps; baselines' weights tuned on "
        "photographs of scikit-image. `seconds` are of all images, in the same process. "
        f"The 90 % interval of {given.chains} exact samples would cover "
        f"{90 * (given.chains - 1) / (given.chains + 1):.0f} %."
    )
    publish("images" if given.only is None else f"images-{given.only}", "Set12", notes, tables)


HEAD = ("method", "mean of chains", "one sample", "90 % covers", "chi-square", "seconds")


def measure(bench: Bench, images: list[Tensor], prior, given) -> list[list[object]]:
    """Rows of the table of one task."""
    shape = images[0].shape
    operator, noise = bench.operator(shape), Gaussian(bench.std)
    parts = [simulate(operator, noise, x, seed=i) for i, x in enumerate(images)]
    rows = []
    chosen = given.samplers.split(",") if given.samplers else None
    for name, options in bench.samplers:
        if chosen is None or name in chosen:
            rows.append(_ours(name, options, images, parts, prior, given))
            print(rows[-1], flush=True)
    for name, method, weights in bench.rivals:
        rows.append(_rival(name, method, weights, bench, images, parts))
        print(rows[-1], flush=True)
    if given.peers:
        rows += peers.rows(bench, images, parts, prior, given)
    return rows


def _ours(name: str, options: dict, images, parts: list[Measurement], prior, given):
    started = time.perf_counter()
    measurement = stack(parts)
    posterior = restore.sample(
        measurement, prior, sampler=name, chains=given.chains, steps=given.steps,
        precision="auto", seed=0, **options,
    )  # fmt: skip
    seconds = time.perf_counter() - started
    by_image = [posterior.observation(i) for i in range(len(images))]
    covered = []
    for of_image, x in zip(by_image, images, strict=True):
        low, high = of_image.interval(0.9)
        covered.append(((low <= x) & (x <= high)).double().mean().item())
    chi = measurement.chi_square(posterior.samples.flatten(0, 1)).mean().item()
    return [
        f"restore {name}",
        quality([of_image.mean for of_image in by_image], images),
        quality([of_image.samples[0] for of_image in by_image], images),
        f"{100 * np.mean(covered):.0f} %",
        f"{chi:.2f}",
        f"{seconds:.0f}",
    ]


def _rival(name: str, method, weights, bench: Bench, images, parts: list[Measurement]):
    try:
        weight = baselines.tuned(method, weights, _tuning(bench, images[0].shape[-1]))
        started = time.perf_counter()
        estimates = [method(m.y[0].float(), m.operator, bench.std, weight) for m in parts]
    except ImportError as error:
        return [name, f"not installed ({error.name})", "", "", "", ""]
    label = name if len(weights) == 1 else f"{name}, weight {weight:g}"
    seconds = f"{time.perf_counter() - started:.0f}"
    return [label, quality(estimates, images), "", "", "", seconds]


def _tuning(bench: Bench, crop: int):
    """(clean, y, operator, std) of photographs that are not in Set12."""
    for i, x in enumerate(photographs(crop)):
        operator = bench.operator(x.shape)
        y = simulate(operator, Gaussian(bench.std), x, seed=100 + i).y[0]
        yield x, y.float(), operator, bench.std


def photographs(crop: int, mode: str = "L") -> list[Tensor]:
    """Middles of scikit-image's photographs, halved; none is in Set12. mode: L for grey, RGB."""
    from skimage import data

    pictures = [
        Image.fromarray(p).convert(mode) for p in (data.astronaut(), data.chelsea(), data.coffee())
    ]
    halves = [
        np.asarray(picture.resize((picture.width // 2, picture.height // 2)))
        for picture in pictures
    ]
    return [_middle(half, crop) for half in halves]


def _read(path: Path, crop: int) -> Tensor:
    return _middle(np.asarray(Image.open(path).convert("L")), crop)


def _middle(pixels: np.ndarray, crop: int) -> Tensor:
    """The middle of a picture, grey or colour; (channels, crop, crop)."""
    top, left = ((n - min(n, crop)) // 2 for n in pixels.shape[:2])
    cut = torch.from_numpy(pixels[top : top + crop, left : left + crop].astype(np.float32) / 255)
    return cut[None] if cut.ndim == 2 else cut.permute(2, 0, 1)


if __name__ == "__main__":
    main()
