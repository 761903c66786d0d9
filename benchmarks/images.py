"""Restoration of Set12 beside the baselines a user would pick, and beside deepinv.

python -m benchmarks.images [--images FOLDER] [--crop 64] [--chains 8] [--steps 25] [--only TASK]
                            [--samplers exact-score,DDRM] [--peers]

Baselines and samplers, ours and deepinv's, are tuned by the same budget on the same photographs of
scikit-image (camera left out: it is in Set12), never on Set12: each takes the best of at most six
settings, by the PSNR of the mean of its chains. The noise is drawn on the clean pixels; nothing is
rounded or clipped.
"""

import argparse
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from restore_image.metrics import psnr
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
from restore.files.merit.coverage import covered
from restore.measurement.measurement import Measurement, simulate
from restore.measurement.noise import Gaussian
from restore.samplers.integrators.integrators import dpm_solver_sde

from . import baselines, peers
from .tables import publish, quality, table, with_kept

SET12 = Path(__file__).parents[2] / "shared" / "data" / "images" / "set12"


@dataclass(frozen=True)
class Bench:
    """One kind of degradation: its operator, its noise, and who restores it."""

    operator: object  # shape -> LinearOperator
    std: float
    samplers: tuple[str, ...]  # of OURS
    rivals: tuple[tuple[str, object, tuple[float, ...]], ...]  # name, baseline, weights to try


OURS: dict[str, tuple[str, Sequence[Mapping]]] = {  # name -> prior, settings
    "stochastic-denoising": ("image-grey", [{}]),
    "exact-score": ("image-grey-map", [{}, {"integrator": dpm_solver_sde}]),
    "pigdm": ("image-grey", [{}, {"integrator": dpm_solver_sde}]),
    "free-hunch": ("image-grey", [{}, {"integrator": dpm_solver_sde}]),
    "ddrm": ("image-grey", [{}, {"eta": 1.0}]),
    "diffpir": ("image-grey", [{"trust": t} for t in (0.3, 0.6, 1.0, 2.0, 4.0, 8.0)]),
}
TV = (0.03, 0.06, 0.12, 0.25, 0.5, 1.0, 2.0)
TASKS = {
    "denoise 25/255": Bench(
        Identity,
        25 / 255,
        ("stochastic-denoising", "exact-score", "ddrm"),
        (
            ("NLM", baselines.nlm, (0.6, 0.8, 1.0, 1.2)),
            ("TV (Chambolle)", baselines.tv_denoise, (0.8, 1.0, 1.2, 1.5)),
            ("BM3D", baselines.bm3d, (1.0,)),
        ),
    ),
    "inpaint 70 % missing, 0.02": Bench(
        lambda shape: Mask(random_mask(shape, 0.7, 0)),
        0.02,
        ("exact-score", "free-hunch", "pigdm", "ddrm", "diffpir"),
        (
            ("biharmonic", baselines.biharmonic, (1.0,)),
            ("TV", baselines.tv, TV),
        ),
    ),
    "deblur Gaussian 1.6, 0.02": Bench(
        lambda shape: Blur(shape, gaussian_kernel(1.6), boundary="reflect"),
        0.02,
        ("exact-score", "free-hunch", "pigdm", "ddrm", "diffpir"),
        (
            ("Wiener", baselines.wiener, (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)),
            ("TV", baselines.tv, TV),
        ),
    ),
    "superresolve x2, 0.02": Bench(
        lambda shape: Downsample(shape, 2, bicubic_kernel(2), boundary="reflect"),
        0.02,
        ("exact-score", "free-hunch", "pigdm", "ddrm", "diffpir"),
        (
            ("bicubic", baselines.bicubic, (1.0,)),
            ("TV", baselines.tv, TV),
        ),
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path, default=SET12)
    parser.add_argument("--crop", type=int, default=64)
    parser.add_argument("--chains", type=int, default=8)
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--only", default="", help="a task whose name begins so")
    parser.add_argument("--samplers", type=lambda text: text.split(","), help="all otherwise")
    parser.add_argument("--peers", action="store_true", help="deepinv too, if it is installed")
    given = parser.parse_args()
    torch.set_num_threads(1)
    images = [_read(path, given.crop) for path in sorted(given.images.glob("*.png"))]
    rows = []
    for name, bench in TASKS.items():
        if name.startswith(given.only):
            rows += [[name, *row] for row in measure(bench, images, given)]
    notes = (
        f"{__doc__.split(chr(10) * 2, 2)[2].strip()}\n\n"
        f"{len(images)} images of Set12, {given.crop}x{given.crop} from their middles; mean PSNR "
        f"in dB / SSIM; {given.chains} chains, {given.steps} steps; seconds of the processor for "
        f"an image, and for all settings, tried on {len(photographs(1))} other photographs."
    )
    if given.only or given.samplers:
        rows = with_kept("images", HEAD, rows, 2)
    publish("images", "Set12", notes, [table(HEAD, rows)])


HEAD = ("task", "method", "mean of chains", "one sample", "90 % covers", "chi-square", "setting",
        "s", "s of tuning")  # fmt: skip


def measure(bench: Bench, images: list[Tensor], given) -> list[list[str]]:
    """Rows of the table of one task."""
    made = list(problems(bench, images, 0))
    tuning = list(problems(bench, photographs(given.crop), 100))
    contenders = [ours(name, given.steps) for name in bench.samplers]
    if given.peers:
        contenders += peers.contenders(_prior("image-grey"), given.steps)
    rows = []
    for one in contenders:
        if given.samplers is None or one.name in given.samplers:
            rows.append(_row(one, made, tuning, given.chains))
            print(rows[-1], flush=True)
    for name, method, weights in bench.rivals:
        if given.samplers is None or name in given.samplers:
            rows.append(_rival(name, method, weights, bench, images, [m for _, m in made]))
            print(rows[-1], flush=True)
    return rows


def problems(bench: Bench, images: Sequence[Tensor], seed: int):
    """(clean, its measurement) of each image."""
    for i, x in enumerate(images):
        yield x, simulate(bench.operator(x.shape), Gaussian(bench.std), x, seed=seed + i)


_prior = cache(restore.load_prior)


def ours(name: str, steps: int) -> peers.Contender:
    """A sampler of restore, of its embedded prior."""
    prior, settings = OURS[name]

    def sample(measurement: Measurement, chains: int, setting: Mapping) -> Tensor:
        return restore.sample(
            measurement, _prior(prior), sampler=name, chains=chains, steps=steps,
            precision="auto", seed=0, **setting,
        ).samples  # fmt: skip

    return peers.Contender(name, sample, settings)


def _row(one: peers.Contender, made, tuning, chains: int) -> list[str]:
    began = time.process_time()
    setting = _best(one, tuning, chains)
    tuned = time.process_time()
    samples = [one.sample(measurement, chains, setting) for _, measurement in made]
    seconds = (time.process_time() - tuned) / len(made)
    images = [x for x, _ in made]
    inside = np.mean([covered(list(s), x) for s, x in zip(samples, images, strict=True)])
    fits = [m.chi_square(s).mean().item() for s, (_, m) in zip(samples, made, strict=True)]
    shown = ", ".join(f"{key} {getattr(v, '__name__', v)}" for key, v in setting.items())
    return [
        one.name,
        quality([s.mean(0) for s in samples], images),
        quality([s[0] for s in samples], images),
        f"{100 * inside:.0f} %",
        f"{np.mean(fits):.2f}",
        shown or "as it is",
        f"{seconds:.1f}",
        f"{tuned - began:.0f}",
    ]


def _best(one: peers.Contender, tuning, chains: int) -> Mapping:
    """The setting of the highest mean PSNR of the chains' mean."""
    if len(one.settings) == 1:
        return one.settings[0]

    def level(setting: Mapping) -> float:
        means = [one.sample(m, chains, setting).mean(0) for _, m in tuning]
        return np.mean([psnr(mean, x) for mean, (x, _) in zip(means, tuning, strict=True)])

    return max(one.settings, key=level)


def _rival(name: str, method, weights, bench: Bench, images, parts: list[Measurement]):
    began = time.process_time()
    try:
        weight = baselines.tuned(method, weights, _tuning(bench, images[0].shape[-1]))
        tuned = time.process_time()
        estimates = [method(m.y[0].float(), m.operator, bench.std, weight) for m in parts]
    except ImportError as error:
        return [name, f"not installed ({error.name})", *[""] * 6]
    seconds = (time.process_time() - tuned) / len(parts)
    setting = "" if len(weights) == 1 else f"weight {weight:g}"
    shown = quality(estimates, images)
    return [name, shown, "", "", "", setting, f"{seconds:.1f}", f"{tuned - began:.0f}"]


def _tuning(bench: Bench, crop: int):
    """(clean, y, operator, std) of photographs that are not in Set12."""
    for x, made in problems(bench, photographs(crop), 100):
        yield x, made.y[0].float(), made.operator, bench.std


def photographs(crop: int, mode: str = "L") -> list[Tensor]:
    """Middles of scikit-image's photographs, halved; none is in Set12. mode: L for grey, RGB."""
    from skimage import data

    pictures = [
        Image.fromarray(p).convert(mode) for p in (data.astronaut(), data.chelsea(), data.coffee())
    ]
    return [_middle(halved(picture), crop) for picture in pictures]


def halved(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture.resize((picture.width // 2, picture.height // 2)))


def _read(path: Path, crop: int) -> Tensor:
    return _middle(np.asarray(Image.open(path).convert("L")), crop)


def _middle(pixels: np.ndarray, crop: int) -> Tensor:
    """The middle of a picture, grey or colour; (channels, crop, crop)."""
    top, left = ((n - min(n, crop)) // 2 for n in pixels.shape[:2])
    cut = torch.from_numpy(pixels[top : top + crop, left : left + crop].astype(np.float32) / 255)
    return cut[None] if cut.ndim == 2 else cut.permute(2, 0, 1)


if __name__ == "__main__":
    main()
