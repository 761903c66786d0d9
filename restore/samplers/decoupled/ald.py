"""Annealed Langevin dynamics for measurements: Jalal et al., NeurIPS 2021, arXiv:2108.01368."""

from ...measurement.signal import column
from ..base import Step, levels, sampler
from ..parts.safe_steps import curvature


@sampler(memoryless=True)
def ald(
    denoise,
    measurement,
    x,
    sigmas,
    randn_like,
    *,
    step_size: float = 0.5,
    repeats: int = 5,
):
    """Langevin steps at every level on the score plus A^H (y - A x) / (std^2 + |A|^2 sigma^2).

    |A|, 1 in the paper, is the operator's norm. The last estimate is the sample, so that no noise
    of the last level stays in it. A Gaussian problem of small noise gets 2.1 of its variance by
    default, 1.2 with 20 repeats; with large noise 1.1. TypeError for measurements that are not
    linear with Gaussian noise.

    step_size: in units of the inverse of the largest curvature of the law at that level, below 2;
    the variance is too large by about half of it in the stiffest direction.
    repeats: steps at a level, 3 in the paper, which takes thousands of levels.
    """
    power, least = (value.to(x.device) for value in curvature(measurement, len(x)))
    for sigma, sigma_next in levels(sigmas):
        length = step_size / (1 / sigma**2 + 1 / (sigma**2 + least / power))
        length = column(length.to(x.real.dtype), x)
        blur = power * sigma**2
        for _ in range(repeats):
            denoised = denoise(x, sigma)
            residual = measurement.residual(x)
            std = measurement.noise.on(residual)
            smoothed = std**2 + column(blur.to(residual.real.dtype), residual)
            drift = (denoised - x) / sigma**2 + measurement.operator.adjoint(residual / smoothed)
            x = x + length * drift + (2 * length).sqrt() * randn_like(x)
        yield Step(x if sigma_next > 0 else denoised, denoised, sigma)
