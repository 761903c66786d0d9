"""Iterative latent variable refinement: Choi et al., ICCV 2021, arXiv:2108.02938."""

import torch

from ..base import Resumed, Step, levels, sampler
from ..parts.coordinates import coordinates


@sampler(resumes=True)
def ilvr(denoise, measurement, x, sigmas, randn_like, *, free: float = 0.0, resumed: Resumed):
    """Algorithm 1: x + phi(y_t) - phi(x) after every step, with y_t = y noised to its level.

    The paper's phi is a low-pass filter; here it is the projection on what the operator measured
    better than the level (its singular vectors with std / s <= sigma_next), and a coordinate
    whose own noise has been reached goes on from y as the diffusion does. For a white Gaussian
    prior that is exact but for the steps' length (variance at 0.73 to 0.9 of the posterior's with
    100 levels, 0.93 to 1 with 400).

    free: the share of the levels at the end without refinement, range_t / T of the paper; the
    samples then keep only what is coarse of y.
    """
    basis = coordinates(measurement, x)
    last = sigmas[max(0, round((1 - free) * (len(sigmas) - 1)) - 1)].item()
    for sigma, sigma_next in levels(sigmas, resumed.passed):
        denoised = denoise(x, sigma)
        x = basis.ancestral(x, denoised, sigma, sigma_next, randn_like)
        if sigma >= last:
            known = basis.known(sigma_next, basis.of(randn_like(x)))
            x = basis.signal(torch.where(basis.level <= sigma_next, known, basis.of(x)))
        yield Step(x, denoised, sigma)
