"""Denoising diffusion restoration models: Kawar et al., NeurIPS 2022, arXiv:2201.11793."""

import torch

from ..base import Step, levels, sampler
from ..parts.coordinates import coordinates


@sampler(memoryless=True)
def ddrm(
    denoise,
    measurement,
    x,
    sigmas,
    randn_like,
    *,
    eta: float = 0.85,
    eta_b: float = 1.0,
    own_noise: bool = True,
):
    """Equations 7 and 8, on the coordinates of the operator's singular basis.

    Too narrow by construction: for a Gaussian prior and 100 levels the variance is 0.7 of the
    posterior's, the mean is right (0.03 posterior standard deviations). As published the variance
    is 0.15 where something was measured, and the mean 0.3 off for noise of half the signal.

    eta: the share of fresh noise is eta^2, in what was not measured or less well than sigma_next;
    eta_b: the weight of y against the denoiser in what was measured better. own_noise: x keeps its
    own noise as far as y is noisier, which keeps the mean (`Coordinates.share` says why); no is as
    published.
    """
    basis = coordinates(measurement, x)
    y, level = basis.y, basis.level
    for sigma, sigma_next in levels(sigmas):
        denoised = denoise(x, sigma)
        d, fresh = basis.of(denoised), basis.of(randn_like(x))
        share = basis.share(sigma_next, own_noise)
        own = (basis.of(x) - d) / sigma
        noise = share * (y - d) / level + (1 - share**2).sqrt() * own
        worse = d + sigma_next * ((1 - eta**2) ** 0.5 * noise + eta * fresh)
        nu = (sigma_next**2 - eta_b**2 * level**2).clamp(min=0).sqrt()
        better = torch.lerp(d, y, eta_b) + nu * fresh
        x = basis.signal(torch.where(level <= sigma_next, better, worse))
        yield Step(x, denoised, sigma)
