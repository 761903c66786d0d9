"""Undersampled MRI beside the classical reconstructions a user would pick.

python -m benchmarks.mri [--chains 8] [--steps 60] [--only NAME, of which other rows are kept]

Real scans are compared with the coil-combined image of all their data, noise and all: where that
is much, magnitudes favour what keeps noise in the air. So each answer is also asked what that very
image would show ("predicted"): what was measured stands, the rest is the answer's, and magnitudes
are averaged over its noise, the same for all methods.
Simulated coils on a volume that the prior did not see are compared with the clean image. Sampler
and steps were chosen on a held-out slice of another volume; each baseline takes its best weight on
the very image. Scans of up to 128 lines are restored on a grid twice as fine, as by default.
"""

import argparse
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
import torch
from restore_mri import metrics
from restore_mri.kspace.cartesian import remove_oversampling
from restore_mri.kspace.samples import to_kspace
from restore_mri.kspace.scale import PERCENTILE
from restore_mri.priors import slices
from restore_mri.recipes.mri import mri
from restore_mri.training import with_phase
from restore_operators.reconstruction import classical
from torch import Tensor

from restore.files.by_extension import read
from restore.files.merit.coverage import covered, expected, predictive
from restore.files.task import Record, Task
from restore.plugins.discovery import catalog
from restore.priors.combined.sliced import slicewise

from .held_out import sampled
from .tables import publish, table, with_kept

DATA = Path(__file__).parents[2] / "shared" / "data" / "mri"
MASKS = (("equispaced", 4.0), ("random", 4.0), ("poisson", 6.0))
WEIGHTS = (5e-4, 2e-3, 5e-3, 1.2e-2, 3e-2)
BLACK = 0.05  # of the 99th percentile
GRADIENTS = (4, 8, 16)
FIGURES = {
    "PSNR": metrics.psnr_fastmri_volume,
    "SSIM": metrics.ssim_fastmri_slice,
    "NMSE": metrics.nmse_fastmri_volume,
    "complex NMSE": metrics.complex_nmse,
}


@dataclass(frozen=True)
class Case:
    name: str
    record: Callable[[], Record]
    calibration: int = 24
    truth: Callable[[], Tensor] | None = None  # complex (1, z, y, x), where it is known


def on_file(name: str, oversampled: int | None = None) -> Callable[[], Record]:
    def load() -> Record:
        record = read(DATA / name, catalog().entry("recipes", "mri"))
        return record if oversampled is None else remove_oversampling(record, oversampled)

    return load


def unseen() -> Tensor:
    """A slice of a contrast-enhanced head with a smooth phase; complex (1, 1, y, x)."""
    volume = np.asanyarray(nibabel.load(DATA / "niivue_MR_Gd.nii.gz").dataobj)
    plane = torch.from_numpy(np.ascontiguousarray(volume[:, :, 80].T, np.float32))[None, None]
    plane = plane / plane.quantile(PERCENTILE)
    parts = with_phase(plane, torch.Generator().manual_seed(7), residual=0)
    return torch.complex(parts[:, :1], parts[:, 1:])


def simulated(count: int = 8, noise: float = 0.02) -> Record:
    """Eight coils around the slice, white noise in each."""
    image = unseen()
    y, x = (torch.linspace(-1, 1, n) for n in image.shape[-2:])
    turns = [2 * math.pi * c / count for c in range(count)]
    maps = torch.stack([
        torch.exp(-((y[:, None] - 1.2 * math.sin(a)) ** 2 + (x - 1.2 * math.cos(a)) ** 2) / 1.5)
        * torch.exp(1j * (a + 0.5 * y[:, None] * math.cos(a) + 0.5 * x * math.sin(a)))
        for a in turns
    ])[None]  # fmt: skip
    maps = maps / maps.abs().square().sum(1, keepdim=True).sqrt()
    generator = torch.Generator().manual_seed(0)
    k = to_kspace(maps * image)
    k = k + noise * 2**0.5 * torch.randn(k.shape, dtype=k.dtype, generator=generator)
    return Record(k.to(torch.complex64), "kspace", None, {"mask": None, "phase_axis": -1})


CASES = (
    Case("head, 16 coils, 96x96", on_file("mchiew_sense_raw_data.mat"), 16),
    Case("head T1, 1 coil, 256x256", on_file("larson_se_t1_sag_data.mat")),
    Case("knee fat-sat, 1 coil, 332x320", on_file("larson_coronal_fatsat_2D_knee.mat", -1)),
    Case("head Gd, 8 simulated coils, 188x176", simulated, truth=unseen),
)


def rivals(task: Task) -> Iterator[tuple[str, list[Tensor]]]:
    """Name, and an answer for each weight that is tried."""
    y, operator = task.measurement.y, task.measurement.operator
    yield "zero-filled", [operator.adjoint(y)[0]]
    yield "SENSE-CG", [classical.cgls(y, operator, n)[0] for n in GRADIENTS]
    yield (
        "L1-wavelet",
        [classical.wavelet_l1(y, operator, w, 60, complex_valued=True)[0] for w in WEIGHTS],
    )
    yield (
        "TV",
        [
            classical.total_variation(y, operator, w, 80, axes=(-2, -1), complex_valued=True)[0]
            for w in WEIGHTS
        ],
    )


def compare(case: Case, mask: str, rate: float, chains: int, steps: int) -> list[list[str]]:
    asked = {"accelerate": rate, "mask": mask, "calibration": case.calibration}
    task = mri.solve(case.record(), None, **asked)
    truth = task.comparison.reference.signal if case.truth is None else case.truth()
    net = f"{mask} {rate:g} ({task.facts['acceleration']:.2f})"
    rows = []

    def add(name: str, answers: list[Tensor], inside: str = "", seconds: str = "") -> None:
        shown = [task.present(answer).signal for answer in answers]
        filled = [
            expected(predictive(task.comparison.noisy_reference, [x])).signal for x in answers
        ]
        cells = [*plain(case, shown, truth), *predicted(case, filled, truth)]
        rows.append([case.name, net, name, *cells, inside, seconds])

    for name, answers in rivals(mri.solve(case.record(), None, refine=1, **asked)):
        add(name, answers)
    started = time.perf_counter()
    posterior, factor, best = sampled(task, slicewise(slices()), chains, steps)
    seconds = time.perf_counter() - started
    draws = predictive(task.comparison.noisy_reference, posterior.samples)
    shown = [task.present(x) for x in posterior.samples] if case.truth else draws[:chains]
    inside = coverage(case, [record.signal for record in shown], truth)
    inside = f"{inside} (x{factor:.1f}, {best['trust']:g})"
    mean = task.present(posterior.mean).signal
    cells = [*plain(case, [mean], truth), *predicted(case, [expected(draws).signal], truth)]
    rows.append([case.name, net, "restore (mean)", *cells, inside, f"{seconds:.0f}"])
    add("restore (one sample)", [posterior.samples[0]])
    return rows


def coverage(case: Case, samples: list[Tensor], truth: Tensor) -> str:
    """The coverage of all pixels; where the truth is known, also of those not black in it."""
    whole = f"{covered(samples, truth):.2f}"
    if case.truth is None:
        return whole
    seen = truth.abs() > BLACK
    return f"{whole}, object {covered([x[seen] for x in samples], truth[seen]):.2f}"


def plain(case: Case, images: list[Tensor], truth: Tensor) -> list[str]:
    """Figures of the image of least error: complex, but where the truth has a phase of its own."""
    error = metrics.complex_nmse if case.truth is None else metrics.nmse_fastmri_volume
    best = min(images, key=lambda image: error(image, truth))
    shown = [f"{measure(best, truth):.4g}" for measure in FIGURES.values()]
    return shown if case.truth is None else [*shown[:-1], ""]


def predicted(case: Case, images: list[Tensor], truth: Tensor) -> list[str]:
    """PSNR and SSIM of the full scan's image as predicted, where that is the reference."""
    if case.truth is not None:
        return ["", ""]
    best = min(images, key=lambda image: metrics.nmse_fastmri_volume(image, truth))
    return [f"{FIGURES[name](best, truth):.4g}" for name in ("PSNR", "SSIM")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chains", type=int, default=8)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--only", help='part of a scan and mask, as "96x96, random"')
    asked = parser.parse_args()
    rows = []
    for case in CASES:
        for mask, rate in MASKS:
            if asked.only is None or asked.only in f"{case.name}, {mask}":
                made = compare(case, mask, rate, asked.chains, asked.steps)
                print(*(" | ".join(row) for row in made), sep="\n", flush=True)
                rows += made
    head = ["scan", "mask (net)", "method", *FIGURES, "predicted PSNR", "predicted SSIM",
            "90 % covers", "s"]  # fmt: skip
    notes = (
        f"{__doc__.split(chr(10), 2)[2].strip()}\n\n{asked.chains} chains, {asked.steps} steps of "
        "diffpir. 'net': of all samples over those kept, calibration with them. 90 % intervals: "
        "of the truth or, where that is noisy, of its prediction; in brackets what held-out lines "
        "widened them by, and the trust they chose. s: seconds of all runs."
    )
    if asked.only is not None:
        rows = with_kept("mri", head, rows, 2)
    publish("mri", "MRI from a part of k-space", notes, [table(head, rows)])


if __name__ == "__main__":
    main()
