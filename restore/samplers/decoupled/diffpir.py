"""Plug-and-play diffusion: Zhu et al., CVPRW 2023, arXiv:2305.08995."""

from ..base import Step, levels, sampler
from ..parts.kernels import renoise_step


@sampler(memoryless=True)
def diffpir(
    denoise,
    measurement,
    x,
    sigmas,
    randn_like,
    *,
    trust: float = 1.0,
    stochasticity: float = 1.0,
):
    """Algorithm 1.

    trust: lambda, the weight of the prior in the proximal step.
    stochasticity: zeta in [0, 1], the share of fresh noise when noise is put back.
    """
    for sigma, sigma_next in levels(sigmas):
        denoised = denoise(x, sigma)
        estimate = measurement.proximal(denoised, sigma**2 / trust)
        x = renoise_step(x, estimate, sigma, sigma_next, randn_like, fresh=stochasticity).x
        yield Step(x, estimate, sigma)
