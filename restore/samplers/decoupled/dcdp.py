"""Decoupled data consistency with diffusion purification: Li et al., TCI 2024, arXiv:2403.06054."""

import torch

from ...measurement.signal import column, worth_a_look
from ...priors.prior import Law
from ..base import Resumed, Step, levels, sampler
from ..parts.descent import fits
from ..parts.safe_steps import steepest_step

CAUTION = 0.5  # of the way to the minimum along the gradient, so as not to overshoot the noise


@sampler(law=True, resumes=True)
def dcdp(
    denoise,
    measurement,
    x,
    sigmas,
    randn_like,
    *,
    fit_steps: int = 20,
    variance: Law,
    resumed: Resumed,
):
    """Algorithm 1: fit the data from where the last purification left off, noise, denoise again.

    Fitting is descent on the misfit, with next to no prior (one as wide as the signal); it begins
    at the denoised signal and ends where the residual is as large as the noise, |y - A(x)|^2 <=
    m std^2. For a white Gaussian prior the mean is 0.07 to 0.15 posterior standard deviations off
    and the variance 0.47 to 0.64 of the posterior's.

    fit_steps: tau, most gradient steps a level. variance: r^2(sigma), whose value at the first
    level is the signal's variance; the prior's law.
    """
    wide = variance(sigmas[0].item())
    for sigma, sigma_next in levels(sigmas, resumed.passed):
        estimate = denoise(x, sigma)
        for k in range(fit_steps):
            done = fits(measurement, estimate)
            if worth_a_look(k, estimate) and done.all():
                break
            step = CAUTION * steepest_step(measurement, estimate, wide)
            estimate = estimate + torch.where(column(done, step), 0, step)
        x = estimate + sigma_next * randn_like(x) if sigma_next > 0 else estimate
        yield Step(x, estimate, sigma)
