"""Denoising diffusion restoration models: Kawar et al., NeurIPS 2022, arXiv:2201.11793."""

import torch

from ...priors.prior import Law
from ..base import Step, levels, sampler
from ..parts.coordinates import coordinates


@sampler(law=True, memoryless=True)
def ddrm(
    denoise,
    measurement,
    x,
    sigmas,
    randn_like,
    *,
    eta: float = 0.85,
    eta_b: float = 1.0,
    drowned: bool = False,
    variance: Law,
):
    """Equations 7 and 8, on the coordinates of the operator's singular basis.

    Too narrow by construction: for a white Gaussian prior and 100 levels the variance is 0.15 of
    the posterior's where something was measured and 0.72 elsewhere; the mean is right for little
    noise (0.02 posterior standard deviations), 0.31 off for noise of half the signal.

    eta: the share of fresh noise is eta^2, in what was not measured or less well than sigma_next;
    eta_b: the weight of y against the denoiser in what was measured better. drowned: use what is
    measured with more noise than the prior's spread, as published; by default it counts as not
    measured (`Coordinates.without_drowned` says why). variance: r^2(sigma), the prior's law.
    """
    basis = coordinates(measurement, x)
    if not drowned:
        basis = basis.without_drowned(variance(sigmas[0].item()) ** 0.5)
    y, level = basis.y, basis.level
    for sigma, sigma_next in levels(sigmas):
        denoised = denoise(x, sigma)
        d, fresh = basis.of(denoised), basis.of(randn_like(x))
        noise = torch.where(level.isinf(), (basis.of(x) - d) / sigma, (y - d) / level)
        worse = d + sigma_next * ((1 - eta**2) ** 0.5 * noise + eta * fresh)
        nu = (sigma_next**2 - eta_b**2 * level**2).clamp(min=0).sqrt()
        better = torch.lerp(d, y, eta_b) + nu * fresh
        x = basis.signal(torch.where(level <= sigma_next, better, worse))
        yield Step(x, denoised, sigma)
