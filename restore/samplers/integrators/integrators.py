"""Unconditional samplers; run on a conditional denoiser, they sample the posterior.

All have a sampler's signature; the measurement is not looked at.
"""

from collections.abc import Callable, Iterator
from math import log

from ...priors.prior import Law
from ..base import Resumed, Step, levels, sampler
from ..parts.kernels import analytic_step, ancestral_step, ddim_step, jump

Integrator = Callable[..., Iterator[Step]]


@sampler(memoryless=True)
def ancestral(denoise, measurement, x, sigmas, randn_like):
    """The exact reverse transitions of the diffusion; Ho et al. 2020, arXiv:2006.11239."""
    for sigma, sigma_next in levels(sigmas):
        denoised = denoise(x, sigma)
        x = ancestral_step(x, denoised, sigma, sigma_next, randn_like).x
        yield Step(x, denoised, sigma)


@sampler(law=True, memoryless=True)
def analytic(denoise, measurement, x, sigmas, randn_like, *, variance: Law):
    """Ancestral steps with the variance of x0 given x: Bao et al., ICLR 2022, arXiv:2201.06503.

    Exact at any number of steps for white Gaussian signals. On a conditional denoiser the prior's
    variance is too large where y says much, and the last steps forget that only in part.

    variance: r^2(sigma), the prior's law.
    """
    for sigma, sigma_next in levels(sigmas):
        denoised = denoise(x, sigma)
        x = analytic_step(x, denoised, sigma, sigma_next, randn_like, r2=variance(sigma)).x
        yield Step(x, denoised, sigma)


@sampler(memoryless=True)
def ddim(denoise, measurement, x, sigmas, randn_like, *, eta: float = 0.0):
    """Euler steps of the probability-flow ODE; Song et al. 2021, arXiv:2010.02502.

    eta: the share of fresh noise, 0 none, 1 ancestral.
    """
    for sigma, sigma_next in levels(sigmas):
        denoised = denoise(x, sigma)
        x = ddim_step(x, denoised, sigma, sigma_next, randn_like, eta=eta).x
        yield Step(x, denoised, sigma)


@sampler(resumes=True)
def heun(
    denoise,
    measurement,
    x,
    sigmas,
    randn_like,
    *,
    churn: float = 0.0,
    churn_min: float = 0.05,
    churn_max: float = 50.0,
    resumed: Resumed,
):
    """Algorithm 2 of EDM: Karras et al. 2022, arXiv:2206.00364. Two calls a step.

    churn: S_churn, noise put back over the whole run; churn_min, churn_max: S_tmin and S_tmax, the
    levels at which it is.
    """
    gamma = min(churn / (len(sigmas) - 1), 2**0.5 - 1)
    for sigma, sigma_next in levels(sigmas, resumed.passed):
        if gamma > 0 and churn_min <= sigma <= churn_max:
            x = jump(x, sigma, sigma * (1 + gamma), randn_like)
            sigma = sigma * (1 + gamma)
        denoised = denoise(x, sigma)
        slope = (x - denoised) / sigma
        euler = x + (sigma_next - sigma) * slope
        if sigma_next > 0:
            corrected = (euler - denoise(euler, sigma_next)) / sigma_next
            x = x + (sigma_next - sigma) * 0.5 * (slope + corrected)
        else:
            x = euler
        yield Step(x, denoised, sigma)


@sampler(resumes=True)
def dpm_solver(denoise, measurement, x, sigmas, randn_like, *, resumed: Resumed):
    """DPM-Solver++(2M), second order with one call a step; Lu et al. 2022, arXiv:2211.01095."""
    return _two_point(denoise, x, sigmas, randn_like, ddim_step, resumed)


@sampler(resumes=True)
def dpm_solver_sde(denoise, measurement, x, sigmas, randn_like, *, resumed: Resumed):
    """SDE-DPM-Solver++(2M): second order, with the noise of ancestral steps; Lu et al. 2022,
    arXiv:2211.01095, appendix A."""
    return _two_point(denoise, x, sigmas, randn_like, ancestral_step, resumed)


def _two_point(denoise, x, sigmas, randn_like, kernel, resumed) -> Iterator[Step]:
    """Transitions on D extrapolated over half a step in log sigma from the one before."""
    before, spacing_before = resumed.carried or (None, None)
    for sigma, sigma_next in levels(sigmas, resumed.passed):
        denoised = denoise(x, sigma)
        ahead, spacing = denoised, None
        if sigma_next > 0:
            spacing = log(sigma / sigma_next)
            if before is not None:
                ahead = denoised + spacing / (2 * spacing_before) * (denoised - before)
        x = kernel(x, ahead, sigma, sigma_next, randn_like).x
        before, spacing_before = denoised, spacing
        yield Step(x, denoised, sigma, carried=(denoised, spacing))
