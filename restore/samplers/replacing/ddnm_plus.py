"""DDNM+, the null space with noise and time travel: Wang et al., ICLR 2023, arXiv:2212.00490."""

import torch

from ...priors.prior import Law
from ..base import Resumed, Step, sampler
from ..parts.coordinates import coordinates
from ..parts.kernels import jump, travel


@sampler(law=True, resumes=True)
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
    drowned: bool = False,
    variance: Law,
    resumed: Resumed,
):
    """Algorithm 3: x0 + Lambda A^+ (y - A x0), Lambda a weight for each singular value.

    Without travel it is DDRM with eta_b = 1, and as narrow: variance 0.15 of a white Gaussian
    posterior's where something was measured with little noise, 0.73 elsewhere. Travel lets the rest
    agree with what was measured.

    eta: the share of fresh noise is eta^2, in what was not measured or less well than sigma_next.
    travel_length: l, levels in a block. repeats: r, how often each block is run. drowned: use what
    is measured with more noise than the prior's spread, as published; by default it counts as not
    measured (`Coordinates.without_drowned` says why). variance: r^2(sigma), the prior's law.
    """
    basis = coordinates(measurement, x)
    if not drowned:
        basis = basis.without_drowned(variance(sigmas[0].item()) ** 0.5)
    for lower, sigma, sigma_next in travel(sigmas, travel_length, repeats)[resumed.passed :]:
        if lower is not None:
            x = jump(x, lower, sigma, randn_like)
        denoised = denoise(x, sigma)
        x, estimate = _step(basis, x, denoised, sigma, sigma_next, eta, randn_like)
        yield Step(x, estimate, sigma)


def _step(basis, x, denoised, sigma, sigma_next, eta, randn_like):
    """(x at sigma_next, the corrected estimate of x0)."""
    level, d, fresh = basis.level, basis.of(denoised), basis.of(randn_like(x))
    weight = torch.where(level <= sigma_next, 1.0, (1 - eta**2) ** 0.5 * sigma_next / level)
    estimate = d + weight * (basis.y - d)
    nu = (sigma_next**2 - (weight * level) ** 2).clamp(min=0).sqrt()
    kept = (1 - eta**2) ** 0.5 * sigma_next / sigma * (basis.of(x) - d)
    free = d + kept + eta * sigma_next * fresh
    c = torch.where(level.isinf(), free, estimate + nu * fresh)
    return basis.signal(c), basis.signal(estimate)
