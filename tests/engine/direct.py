"""A sampler run without the driver, on plain noise: many chains in little time; small parts."""

import inspect

import torch
from problems import Dense

from restore.measurement import Measurement
from restore.noise import Gaussian
from restore.operator import LinearOperator
from restore.schedules import karras

BLANK = Measurement(torch.zeros(1, 1), Dense(torch.zeros(1, 1)), Gaussian(1.0))


class Complex(LinearOperator):
    """y = (first half of B x) + i (second half)."""

    def __init__(self, matrix):
        super().__init__((matrix.shape[1],), (matrix.shape[0] // 2,))
        self.matrix = matrix

    def _forward(self, x):
        return torch.complex(*(x @ self.matrix.to(x).T).chunk(2, 1))

    def _adjoint(self, y):
        return torch.cat([y.real, y.imag], 1) @ self.matrix.to(y.real)


class Counting:
    """A denoiser that counts its calls."""

    def __init__(self, denoise):
        self.denoise, self.calls = denoise, 0

    def __call__(self, x, sigma):
        self.calls += 1
        return self.denoise(x, sigma)


def plain_noise(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return lambda like: torch.randn(like.shape, generator=generator, dtype=like.dtype)


def run(sampler, prior, measurement=BLANK, *, chains=2000, steps=100, seed=0, x=None, **options):
    """The last x of the chains, (chains, *shape)."""
    noise = plain_noise(seed)
    sigmas = karras(prior.sigma_max, prior.sigma_min, steps)
    if x is None:
        x = prior.mean + sigmas[0].item() * noise(torch.zeros(chains, *prior.shape))
    if "variance" in inspect.signature(sampler).parameters:
        options.setdefault("variance", prior.variance)
    with torch.no_grad():
        for step in sampler(prior.denoise, measurement, x, sigmas, noise, **options):
            last = step
    return last.x
