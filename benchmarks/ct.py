"""Sparse-view, limited-angle and low-dose CT beside the reconstructions a user would pick.

python -m benchmarks.ct [--chains 4] [--steps 60] [--only SETTING]

A head slice that the prior did not see, 512x512, is projected on its own grid, binned in pairs
to 1e5 photons a ray, and reconstructed at 256x256: no inverse crime. Sampler, steps and the
weight of TV for each setting were chosen on another slice (a spine, pydicom's CT_small). Held-out
views choose DiffPIR's trust in the prior and widen the intervals: both stand behind the coverage.
"""

import argparse
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from restore_ct import metrics
from restore_ct.physics import attenuation
from restore_ct.priors import slices
from restore_ct.recipes.choosing import STEPS
from restore_ct.recipes.ct import ct
from restore_ct.scan import scan
from restore_dicom.files.dicom.reading import read_dicom
from restore_operators import Radon
from restore_operators.reconstruction import classical
from torch import Tensor
from torch.nn.functional import avg_pool2d

from restore.files.merit.coverage import covered
from restore.files.task import Record, Task
from restore.measurement.not_gaussian import Transmission
from restore.measurement.signal import ChainNoise
from restore.priors.combined.sliced import slicewise

from .held_out import sampled
from .tables import publish, table, with_kept

DATA = Path(__file__).parents[2] / "shared" / "data" / "ct"
PHOTONS = 1e5  # that set out on each ray
FIGURES = {
    "RMSE HU": metrics.rmse_hu,
    "PSNR": metrics.psnr_range,
    "PSNR -160..240": metrics.psnr_soft_tissue,
    "SSIM -160..240": metrics.ssim_soft_tissue,
}


@dataclass(frozen=True)
class Setting:
    name: str
    views: int
    arc: float
    tv: float  # in units of the noise; the best of 0.03 to 1.6 on the validation slice


SETTINGS = (
    Setting("60 views", 60, 180.0, 0.03),
    Setting("30 views", 30, 180.0, 0.03),
    Setting("8 views", 8, 180.0, 0.1),
    Setting("90 views over 90 degrees", 90, 90.0, 1.6),
)


def scanned(setting: Setting) -> tuple[Record, Tensor]:
    """The measurement, to be reconstructed at half the resolution, and the truth there, in HU."""
    record = read_dicom(DATA / "pydicom_J2K_pixelrep_mismatch.dcm")
    outside = ~record.meta["valid"] if "valid" in record.meta else record.signal < -1500
    fine = torch.where(outside, -1000.0, record.signal).clamp(-1000, 3000)
    truth, pixel = avg_pool2d(fine, 2), 2 * record.meta["geometry"].spacing[1]
    step = math.radians(setting.arc) / setting.views
    angles = step * torch.arange(setting.views, dtype=torch.float64)
    bins = math.ceil(math.hypot(*truth.shape[-2:]))
    halves = Radon(fine.shape[-2:], angles, 2 * bins, pitch=pixel / 2, pixel=pixel / 2)
    arriving = torch.exp(-halves(attenuation(fine[0]))).unflatten(-1, (bins, 2)).mean(-1)
    y = Transmission(PHOTONS).draw(-arriving.log(), ChainNoise(0, [0]))
    made = scan(
        y, None, angles=angles, pitch=pixel, centre=0.0, counts0=PHOTONS,
        shape=tuple(truth.shape[-2:]), pixel=pixel, format="benchmark",
    )  # fmt: skip
    return made, truth


def rivals(task: Task, setting: Setting) -> Iterator[tuple[str, Tensor]]:
    y, operator = task.measurement.y, task.measurement.operator
    weights = task.measurement.noise.std**-2
    for name in ("fbp", "sirt", "cgls"):
        yield name.upper(), task.comparison.baselines[name]()
    weight = setting.tv * weights.mean().item() ** 0.5
    yield (
        "TV",
        classical.total_variation(
            y, operator, weight, 150, axes=(-2, -1), nonnegative=True, weights=weights
        )[0],
    )


def compare(setting: Setting, chains: int, steps: int) -> list[list[str]]:
    record, truth = scanned(setting)
    task = ct.solve(record, None)
    rows = []
    for name, answer in rivals(task, setting):
        rows.append([setting.name, name, *figures(task.present(answer).signal, truth), "", "", ""])
    started = time.perf_counter()
    posterior, factor, best = sampled(task, slicewise(slices()), chains, steps)
    seconds = f"{time.perf_counter() - started:.0f}"
    samples = [task.present(x).signal for x in posterior.samples]
    mean = figures(task.present(posterior.mean).signal, truth)
    inside = f"{covered(samples, truth):.2f} (x{factor:.1f}, {best['trust']:g})"
    fit = f"{task.measurement.chi_square(posterior.mean[None]).item():.2f}"
    rows.append([setting.name, "restore (mean)", *mean, inside, fit, seconds])
    one = figures(samples[0], truth)
    rows.append([setting.name, "restore (one sample)", *one, "", "", ""])
    return rows


def figures(image: Tensor, truth: Tensor) -> list[str]:
    return [f"{measure(image, truth):.4g}" for measure in FIGURES.values()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chains", type=int, default=4)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--only", help="settings whose name has this in it; others are kept")
    asked = parser.parse_args()
    rows = []
    for setting in SETTINGS:
        if asked.only is None or asked.only in setting.name:
            made = compare(setting, asked.chains, asked.steps)
            print(*(" | ".join(row) for row in made), sep="\n", flush=True)
            rows += made
    head = ["setting", "method", *FIGURES, "90 % covers", "chi-square of the mean", "s"]
    notes = f"{__doc__.split(chr(10), 2)[2].strip()}\n\n{asked.chains} chains, {asked.steps} steps."
    if asked.only is not None:
        rows = with_kept("ct", head, rows, 1)
    publish("ct", "CT from few views", notes, [table(head, rows)])


if __name__ == "__main__":
    main()
