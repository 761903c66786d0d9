"""Solving noisy inverse problems stochastically: Kawar et al., NeurIPS 2021, arXiv:2105.14951."""

import torch

from ..base import Step, levels, sampler
from ..parts.coordinates import coordinates


@sampler(memoryless=True)
def snips(
    denoise,
    measurement,
    x,
    sigmas,
    randn_like,
    *,
    repeats: int = 5,
    step_size: float = 0.5,
):
    """Algorithm 1: annealed Langevin steps in the singular basis, on p(x_sigma | y) itself.

    The noise of x_sigma and that of y are made of one another. A coordinate measured better than
    sigma is y' and the noise still missing, of variance sigma^2 - level^2; one measured worse is
    pulled by the denoiser and by y'; each moves in proportion to the variance left to it. With 100
    levels the variance is 0.94 to 1.07 of a white Gaussian posterior's; fewer leave noise behind
    (1.5 with 20).

    repeats: tau, steps a level. step_size: c, of each in units of that variance.
    """
    basis = coordinates(measurement, x)
    y, level = basis.y, basis.level
    for sigma, sigma_next in levels(sigmas):
        ratio = (sigma / level) ** 2  # above 1: measured better than sigma
        left = sigma**2 * torch.where(ratio > 1, 1 - 1 / ratio, 1 - ratio)
        for _ in range(repeats):
            denoised = denoise(x, sigma)
            c, d = basis.of(x), basis.of(denoised)
            pull = torch.where(ratio > 1, y - c, d + ratio.clamp(max=1) * (y - d) - c)
            c = c + step_size * pull + (2 * step_size * left).sqrt() * basis.of(randn_like(x))
            x = basis.signal(c)
        x = denoised if sigma_next == 0 else x
        yield Step(x, denoised, sigma)
