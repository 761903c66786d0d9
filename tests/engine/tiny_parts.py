"""What tiny_plugin registers: exact and small, so that files can be tested by laws."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from restore import LinearOperator, Measurement, Prior
from restore.errors import WeightsError
from restore.noise import Gaussian
from restore.samplers.base import Step, levels, memoryless
from restore.samplers.kernels import ancestral_step
from restore.task import Recipe, Record, Task
from restore.training import Material

INTERRUPT = {"after": None, "calls": 0}  # a test sets `after`; the sampler then raises Ctrl-C


class Weights(LinearOperator):
    """y = w x."""

    def __init__(self, shape, w):
        super().__init__(shape, shape)
        self.w = w

    def _forward(self, x):
        return self._like("w", x) * x

    _adjoint = _forward


def _solve(record, noise, keep):
    if noise is None:
        raise ValueError("how noisy is the grid? give the noise, such as --noise 0.05")
    operator = Weights(record.signal.shape, keep)
    return Task(
        Measurement(record.signal, operator, Gaussian(noise)),
        prior="tiny",
        sampler="ddnm",
        present=record.with_signal,
        steps=10,
        facts={"kept": keep.mean().item()},
    )


def solve_calm(record, noise, *, strength: float = 1.0, mode: str | None = None):
    """Noise out of a grid.

    strength: what the grid was multiplied by. mode: only "plain"
    is known.
    """
    if mode not in (None, "plain"):
        raise ValueError(f"mode must be plain, got '{mode}'")
    return _solve(record, noise, torch.full_like(record.signal, strength))


def observe_calm(record, *, strength: float = 1.0):
    return Weights(record.signal.shape, torch.full_like(record.signal, strength))


def solve_fill(record, noise, *, mask: Path, invert: bool = False):
    """Fill holes.

    mask: a grid of the same size, 0 where nothing was measured.
    invert: take 1 for holes.
    """
    keep = read_grid(mask).signal
    if keep.shape != record.signal.shape:
        raise ValueError(f"the mask {mask} is of another size than {record.source}")
    return _solve(record, noise, 1 - keep if invert else keep)


def observe_fill(record, *, share: float = 0.5):
    generator = torch.Generator().manual_seed(0)
    return Weights(
        record.signal.shape, (torch.rand(record.signal.shape, generator=generator) > share).float()
    )


def degraded(record, operator, y):
    return {"degraded": record.with_signal(y), "keep.grid": record.with_signal(operator.w)}


def estimate_noise(record):
    return 0.25


calm = Recipe(solve_calm, observe_calm, degraded, estimate_noise)
fill = Recipe(solve_fill, observe_fill, degraded)


def prior():
    """N(0.5, 0.2^2) for each value, of any shape: the posterior is known."""

    def denoise(x, sigma):
        s2 = torch.as_tensor(sigma) ** 2
        s2 = s2.reshape(-1, *(1,) * (x.ndim - 1)) if s2.ndim else s2
        return (s2 * 0.5 + 0.04 * x) / (s2 + 0.04)

    return Prior(
        denoise, sigma_min=0.002, sigma_max=10.0, mean=0.5,
        variance=lambda s: s**2 * 0.04 / (s**2 + 0.04), card={"name": "tiny"},
    )  # fmt: skip


def lost_prior():
    raise WeightsError("the weights lost.safetensors are missing")


@memoryless
def slow(denoise, measurement, x, sigmas, randn_like, *, trust: float = 1.0, rounds: int = 1):
    """Ancestral steps on the data's proximal point.

    trust: weight of the prior. rounds: proximal points a step.
    """
    for sigma, sigma_next in levels(sigmas):
        INTERRUPT["calls"] += 1
        if INTERRUPT["after"] is not None and INTERRUPT["calls"] > INTERRUPT["after"]:
            INTERRUPT["after"] = None
            raise KeyboardInterrupt
        denoised = denoise(x, sigma)
        for _ in range(rounds):
            denoised = measurement.proximal(denoised, sigma**2 / trust)
        x = ancestral_step(x, denoised, sigma, sigma_next, randn_like).x
        yield Step(x, denoised, sigma)


def read_grid(path):
    return Record(torch.from_numpy(np.loadtxt(path, ndmin=2)).float()[None], "grid", Path(path))


def write_grid(record, path):
    np.savetxt(path, record.signal[0].numpy())


def rmse(estimate, reference):
    return (estimate - reference).square().mean().sqrt().item()


def read_stack(folder):
    """A folder of grids of one size as one record (1, grids, rows, columns)."""
    grids = [read_grid(path).signal for path in sorted(Path(folder).glob("*.grid"))]
    return Record(torch.stack(grids, 1), "stack", Path(folder))


def write_stack(record, path):
    path.mkdir()
    for number, plane in enumerate(record.signal[0]):
        np.savetxt(path / f"{record.kind}{number}.grid", plane.numpy())


def solve_layers(record, noise):
    """A stack that holds its own truth, one above what was measured."""
    truth = record.with_signal(record.signal - 1)
    task = _solve(record.with_signal(record.signal), 0.1, torch.ones_like(record.signal))
    return replace(
        task,
        reference=truth,
        before=truth,
        views=lambda shown: {"first": shown.signal[:, 0], "last": shown.signal[:, -1]},
        baselines={"half": lambda: record.signal / 2},
    )


def simulate_layers(record, noise, seed, *, count: int = 2):
    """So many grids of one. count: how many"""
    level = torch.rand((), generator=torch.Generator().manual_seed(seed)).item()
    parts = {f"{i}.grid": record.with_signal(record.signal + level + i) for i in range(count)}
    return parts


layers = Recipe(solve_layers, simulate=simulate_layers)


def doubled(folders, validation):
    """Two channels of each grid, which the reader gives one of."""
    from restore.training_files import read_signals

    return Material(
        read_signals(*folders), augment=lambda batch, generator: torch.cat([batch, -batch], 1),
        channels=2, mean=0.0, spread=0.6,
    )  # fmt: skip
