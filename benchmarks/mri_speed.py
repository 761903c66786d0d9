"""Milliseconds of MRI's operators beside their bare FFTs, deepinv and sigpy, on one thread.

python -m benchmarks.mri_speed; peers that are not installed are left out.
"""

import importlib
import time
from collections.abc import Callable

import numpy as np
import torch
from restore_mri.coils.coils import normalised
from restore_mri.coils.espirit import espirit
from restore_mri.kspace.samples import to_kspace
from restore_mri.masks.masks import accelerate
from restore_mri.metrics import complex_nmse
from restore_mri.operators.row_by_row import Rows
from restore_mri.operators.sense import Sense, sense
from restore_mri.priors import slices
from torch import Tensor

import restore
from restore.measurement.measurement import Measurement
from restore.measurement.noise import Gaussian
from restore.measurement.signal import conjugate_gradient
from restore.priors.combined.sliced import sliced
from restore.priors.prior import Prior

from .tables import publish, table

COILS, SIZE = 8, 320
LEVELS = 20  # of a whole reconstruction
BURST = 3  # calls in a row: the first finds the caches as others left them
Contenders = dict[str, Callable[[], object]]


def main() -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    sections = [
        f"## A^H A, {COILS} coils, {SIZE}x{SIZE}\n\n" + normal(),
        "## (A^H A + shift)^-1 b, 8 coils, 96x96, columns x4, shift 1e-3, 4 chains\n\n" + solve(),
        f"## Whole reconstruction, {COILS} coils, {SIZE}x{SIZE}, equispaced x4, "
        f"DiffPIR of {LEVELS} levels, one chain, same network\n\n" + reconstruction(),
        f"## ESPIRiT maps, {COILS} coils, {SIZE}x{SIZE}, 24 calibration lines\n\n" + maps(),
    ]
    notes = (
        "Processor time, the least of several runs in turn, of one thread. sigpy takes complex "
        "images, deepinv and `sense` two real channels."
    )
    publish("mri_speed", "Speed of MRI's operators", notes, sections)


def normal() -> str:
    """One application, for a mask of the plane and one of columns; ratios to bare FFTs."""
    coils = birdcage(COILS, SIZE)
    x = torch.randn(1, 1, 1, SIZE, SIZE, dtype=torch.complex64)
    channels = torch.cat([x.real, x.imag], 1)
    images = list((coils * x)[0, 0].split(1))
    rows = []
    for name, axes in (("poisson", (-2, -1)), ("equispaced", (-1,))):
        mask = accelerate(name, (SIZE, SIZE), 4)
        ours, real = Sense(x.shape[1:], coils, mask), sense(channels.shape[1:], coils, mask)
        contenders: Contenders = {
            f"bare FFTs, {len(axes)}-D": lambda axes=axes: [
                torch.fft.ifftn(torch.fft.fftn(image, dim=axes), dim=axes) for image in images
            ],
            "Sense.normal": lambda ours=ours: ours.normal(x),
            "sense.normal": lambda real=real: real.normal(channels),
            **_deepinv(coils, mask, channels),
            **_sigpy(coils, mask, x),
        }
        rows += [[name, *row] for row in _rows(contenders, ours.normal(x).flatten())]
    return table(("mask", "", "ms", "times the first", "difference"), rows)


def solve() -> str:
    """Four chains, exactly by rows and by conjugate gradients."""
    coils = birdcage(COILS, 96)
    operator = Sense((1, 1, 96, 96), coils, accelerate("equispaced", (96, 96), 4))
    b = operator.normal(torch.randn(4, 1, 1, 96, 96, dtype=torch.complex64))
    axis = operator.folded[0]
    contenders: Contenders = {
        "decomposition, once": lambda: Rows(
            operator.in_shape, operator.coils, operator.gains, axis
        ),
        "by rows": lambda: operator.solve_normal(b, 1e-3),
        "conjugate gradients": lambda: conjugate_gradient(
            lambda x: operator.normal(x) + 1e-3 * x, b, max_steps=200
        ),
    }
    return table(("", "ms", "times the first"), [r[:3] for r in _rows(contenders, None)])


def maps() -> str:
    coils = birdcage(COILS, SIZE)
    kspace = to_kspace(coils * 1.4 * picture(SIZE))
    kspace = kspace + 1e-3 * torch.randn_like(kspace)
    contenders: Contenders = {"restore": lambda: espirit(kspace, reference=0)}
    if app := _module("sigpy.mri.app"):
        array = kspace[0].numpy()
        contenders["sigpy"] = lambda: app.EspiritCalib(array, show_pbar=False).run()
    return table(
        ("", "ms", "times the first", "difference"),
        _rows(contenders, espirit(kspace, reference=0).flatten(), repeats=1),
    )


def reconstruction() -> str:
    """The bare network, and DiffPIR with it, each with its own proximal step; NMSE of the picture.

    The picture is real and between 0 and 1, as deepinv's DiffPIR has it.
    """
    coils, prior, noise = birdcage(COILS, SIZE), slices(), 0.02
    clean = to_kspace(coils * picture(SIZE))
    mask = accelerate("equispaced", (SIZE, SIZE), 4)
    y = mask * (clean + noise * 2**0.5 * torch.randn_like(clean))
    measurement = Measurement(y, sense((2, 1, SIZE, SIZE), coils, mask), Gaussian(noise))
    x = torch.randn(1, 2, SIZE, SIZE)

    def network() -> None:
        with torch.no_grad():
            for _ in range(LEVELS):
                prior.denoise(x, torch.tensor(0.1))

    def ours(precision: str) -> Tensor:
        options = {"chains": 1, "steps": LEVELS, "precision": precision}
        return restore.sample(measurement, sliced(prior), "diffpir", **options).mean[:, None]

    contenders: Contenders = {
        "the network alone, float32": network,
        "restore, float32": lambda: ours("float32"),
        "restore, bfloat16": lambda: ours("bfloat16"),
        **_deepinv_diffpir(coils, mask, y, prior, noise),
    }
    rows, first, truth = [], None, picture(SIZE)[None, None].to(torch.complex64)
    for name, call in contenders.items():
        started = time.process_time()
        found = call()
        seconds = time.process_time() - started
        first = first or seconds
        error = "" if found is None else f"{complex_nmse(torch.complex(*found), truth):.4f}"
        rows.append([name, f"{1000 * seconds:.0f}", f"{seconds / first:.2f}", error])
    return table(("", "ms", "times the first", "NMSE"), rows)


def _deepinv_diffpir(coils: Tensor, mask: Tensor, y: Tensor, prior: Prior, noise: float):
    """deepinv's DiffPIR on its own physics, a proximal step by conjugate gradients; lambda 1."""
    deepinv = _module("deepinv")
    if deepinv is None:
        return {}
    from .peers import denoiser

    physics = deepinv.physics.MultiCoilMRI(mask=mask.float(), coil_maps=coils)
    physics.noise_model = deepinv.physics.GaussianNoise(sigma=noise)
    model = deepinv.sampling.DiffPIR(
        denoiser(deepinv, prior),
        deepinv.optim.L2(),
        sigma=noise,
        max_iter=LEVELS,
        zeta=1.0,
        lambda_=1.0,
    )
    channels = torch.stack([y[0].real, y[0].imag])[None]
    return {"deepinv 0.5, float32": lambda: model(channels, physics, seed=1)[0, :, None, None]}


def picture(size: int) -> Tensor:
    """Waves in an ellipse, 0 to 1; (y, x)."""
    y, x = torch.meshgrid(*[torch.linspace(-1, 1, size)] * 2, indexing="ij")
    return ((x / 0.7) ** 2 + y**2 < 0.7) * (1 + 0.4 * torch.cos(9 * x) * torch.cos(7 * y)) / 1.4


def birdcage(coils: int, size: int) -> Tensor:
    """Smooth maps of coils around the field of view; (1, coil, y, x)."""
    y, x = torch.meshgrid(*[torch.linspace(-1, 1, size)] * 2, indexing="ij")
    angle = 2 * torch.pi * torch.arange(coils)[:, None, None] / coils
    distance = (y - 1.3 * angle.sin()) ** 2 + (x - 1.3 * angle.cos()) ** 2
    phase = 0.8 * (x * angle.cos() - y * angle.sin()) + angle
    return normalised(torch.polar(torch.exp(-distance / 2), phase)[None])


def _deepinv(coils: Tensor, mask: Tensor, x: Tensor) -> Contenders:
    deepinv = _module("deepinv")
    if deepinv is None:
        return {}
    physics = deepinv.physics.MultiCoilMRI(mask=mask.float(), coil_maps=coils)
    return {"deepinv A_adjoint(A(x))": lambda: physics.A_adjoint(physics.A(x[:, :, 0]))}


def _sigpy(coils: Tensor, mask: Tensor, x: Tensor) -> Contenders:
    linop = _module("sigpy.mri.linop")
    if linop is None:
        return {}
    operator = linop.Sense(coils[0].numpy(), weights=mask.float().numpy())
    image = x[0, 0, 0].numpy()
    normal = operator.H * operator
    return {"sigpy A.H * A": lambda: normal(image)}


def _module(name: str):
    """A peer, or None where it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def _rows(contenders: Contenders, expected: Tensor | None, repeats: int = 10) -> list[list[str]]:
    """Name, least milliseconds, ratio to the first, and relative difference from ours."""
    best = dict.fromkeys(contenders, float("inf"))
    results = {}
    for _ in range(repeats):
        for name, call in contenders.items():
            for _ in range(BURST):
                started = time.process_time()
                results[name] = call()
                best[name] = min(best[name], 1000 * (time.process_time() - started))
    first = next(iter(best.values()))
    return [
        [name, f"{ms:.1f}", f"{ms / first:.2f}", _difference(results[name], expected)]
        for name, ms in best.items()
    ]


def _difference(result, expected: Tensor | None) -> str:
    if expected is None or isinstance(result, list):
        return ""
    found = torch.from_numpy(result) if isinstance(result, np.ndarray) else result
    if not found.is_complex():
        found = torch.complex(found[:, 0], found[:, 1])
    found = found.flatten()
    return f"{(found - expected).norm() / expected.norm():.0e}"


if __name__ == "__main__":
    main()
