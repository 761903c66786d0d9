"""Denoising diffusion null-space model: Wang et al., ICLR 2023, arXiv:2212.00490."""

from ..base import Step, levels, sampler
from ..parts.kernels import renoise_step


@sampler(memoryless=True)
def ddnm(denoise, measurement, x, sigmas, randn_like, *, eta: float = 0.85):
    """Algorithm 1, with the range-space step damped where the noise asks for it (DDNM+).

    The pseudoinverse A^+ is the proximal step of variance sigma_next^2: along a singular value s
    it moves by 1 / (1 + (std / (s sigma_next))^2), all the way where the diffusion's noise hides
    that of the measurement, hardly where it does not. Needs no singular values.

    eta: the paper's, the share of fresh noise is eta^2; 0.85.
    """
    for sigma, sigma_next in levels(sigmas):
        denoised = denoise(x, sigma)
        estimate = measurement.proximal(denoised, (sigma_next or sigma) ** 2)
        x = renoise_step(x, estimate, sigma, sigma_next, randn_like, fresh=eta**2).x
        yield Step(x, estimate, sigma)
