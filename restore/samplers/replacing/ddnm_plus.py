"""DDNM+, the null space with noise and time travel: Wang et al., ICLR 2023, arXiv:2212.00490."""

import torch

from ..base import Resumed, Step, sampler
from ..parts.coordinates import coordinates
from ..parts.kernels import jump, travel


@sampler(resumes=True)
def ddnm_plus(
    denoise,
    measurement,
    x,
    sigmas,
    randn_like,
    *,
    eta: float = 0.85,
    travel_length: int = 10,
    repeats: int = 3,
    own_noise: bool = True,
    resumed: Resumed,
):
    """Algorithm 3: x0 + Lambda A^+ (y - A x0), Lambda a weight for each singular value.

    Without travel it is DDRM with eta_b = 1, and as narrow: variance 0.7 to 0.8 of a Gaussian
    posterior's; as published 0.10 to 0.15 where something was measured. Travel lets the rest agree
    with what was measured.

    eta: the share of fresh noise is eta^2, in what was not measured or less well than sigma_next.
    travel_length: l, levels in a block. repeats: r, how often each block is run. own_noise: x keeps
    its own noise as far as y is noisier, which keeps the mean (`Coordinates.share` says why); no is
    as published.
    """
    basis = coordinates(measurement, x)
    for lower, sigma, sigma_next in travel(sigmas, travel_length, repeats)[resumed.passed :]:
        if lower is not None:
            x = jump(x, lower, sigma, randn_like)
        denoised = denoise(x, sigma)
        x, estimate = _step(basis, x, denoised, sigma, sigma_next, eta, own_noise, randn_like)
        yield Step(x, estimate, sigma)


def _step(basis, x, denoised, sigma, sigma_next, eta, own_noise, randn_like):
    """(x at sigma_next, the corrected estimate of x0)."""
    level, d, fresh = basis.level, basis.of(denoised), basis.of(randn_like(x))
    share = basis.share(sigma_next, own_noise)
    better = level <= sigma_next
    weight = torch.where(better, 1.0, (1 - eta**2) ** 0.5 * share * sigma_next / level)
    estimate = d + weight * (basis.y - d)
    kept = (1 - eta**2) ** 0.5 * sigma_next / sigma * (basis.of(x) - d)
    free = (1 - share**2).sqrt() * kept + eta * sigma_next * fresh
    nu = (sigma_next**2 - level**2).clamp(min=0).sqrt()
    c = estimate + torch.where(better, nu * fresh, free)
    return basis.signal(c), basis.signal(estimate)
