"""Small problems with known posteriors, and the list of all samplers, for the engine's tests."""

import functools

import torch
from torch import Tensor

from restore.builtin import register_samplers
from restore.measurement import Measurement, simulate
from restore.noise import Gaussian
from restore.operator import LinearOperator, shift_column
from restore.registry import Registry
from restore.truth import gaussian_posterior


class Dense(LinearOperator):
    """y = matrix x on flat signals, solved directly."""

    def __init__(self, matrix: Tensor):
        super().__init__((matrix.shape[1],), (matrix.shape[0],))
        self.matrix = matrix

    def _forward(self, x):
        return x @ self._like("matrix", x).T

    def _adjoint(self, y):
        return y @ self._like("matrix", y)

    def solve_normal(self, b, shift, start=None):
        matrix = self._like("matrix", b)
        powers, axes = torch.linalg.eigh(matrix.T @ matrix)
        return (b @ axes / (powers + shift_column(shift, b))) @ axes.T


class Copy(LinearOperator):
    """y = the signal where kept is 1, else 0."""

    def __init__(self, kept: Tensor):
        super().__init__(kept.shape, kept.shape)
        self.kept = kept

    def _forward(self, x):
        return self._like("kept", x) * x

    def _adjoint(self, y):
        return self._like("kept", y) * y

    def norm(self, steps=100):
        return self.kept.abs().max().item()

    def solve_normal(self, b, shift, start=None):
        return b / (self._like("kept", b) ** 2 + shift_column(shift, b))


@functools.cache
def samplers() -> dict:
    """name -> registry entry of every sampler that restore ships."""
    registry = Registry("sampler")
    register_samplers(functools.partial(registry.add, "restore"))
    return {entry.name: entry for entry in registry}


def names() -> list[str]:
    return sorted(samplers())


def load(name: str):
    return samplers()[name].load()


def copying(std: float = 0.1, n: int = 6, seed: int = 0) -> Measurement:
    """Half of a signal of n values, with noise: a problem that every sampler takes."""
    kept = (torch.arange(n) % 2).double()
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, generator=generator, dtype=torch.float64)
    return simulate(Copy(kept), Gaussian(std), x, seed=seed)


WHOLE = {"stochastic-denoising"}  # samplers that take nothing but the signal itself with noise


def posed(name: str, std: float = 0.1, *, seed: int = 0, even: bool = False) -> Measurement:
    """The standard problem of a sampler; even: the other half of the signal."""
    if name in WHOLE:
        whole = copying(std, seed=seed)
        noise = torch.randn(6, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        return Measurement(noise, Copy(torch.ones(6)), whole.noise)
    measurement = copying(std, seed=seed)
    kept = (torch.arange(6) % 2 == 0).double() if even else measurement.operator.kept
    return Measurement(measurement.y, Copy(kept), measurement.noise)


def sensing(std: float, *, m: int = 8, n: int = 16, seed: int = 0) -> Measurement:
    """Singular values from 1 to 0.2 on half the directions (algorithms.md, the acceptance test)."""
    generator = torch.Generator().manual_seed(seed)
    u, _, vh = torch.linalg.svd(
        torch.randn(m, n, generator=generator, dtype=torch.float64), full_matrices=False
    )
    matrix = u @ torch.diag(torch.linspace(1, 0.2, m, dtype=torch.float64)) @ vh
    x = torch.randn(n, generator=generator, dtype=torch.float64)
    return simulate(Dense(matrix), Gaussian(std), x, seed=seed)


def moments(samples: Tensor, measurement: Measurement) -> tuple[float, float, float]:
    """Against the exact posterior of a N(0, I) prior, in the right singular basis of `sensing`.

    (mean |error of the mean| in posterior standard deviations over the observed directions,
    variance ratio there, variance ratio in the unobserved ones).
    """
    matrix = measurement.operator.matrix
    n, m = matrix.shape[1], matrix.shape[0]
    truth = gaussian_posterior(
        torch.zeros(n), torch.eye(n), matrix, measurement.y[0], measurement.noise.std
    )
    basis = torch.linalg.svd(matrix.double())[2]
    spread = (basis @ truth.covariance @ basis.T).diagonal()
    away = (samples.double() - truth.mean) @ basis.T
    error = (away.mean(0) / spread.sqrt())[:m].abs().mean().item()
    ratio = away.var(0) / spread
    return error, ratio[:m].mean().item(), ratio[m:].mean().item()
