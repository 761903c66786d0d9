"""Decoupled annealing posterior sampling: Zhang et al., CVPR 2025, arXiv:2407.01521."""

from ...priors.prior import Law
from ..base import Step, levels, sampler
from ..parts.covariance import Covariance
from ..parts.inner_samples import draw, draw_shaped, hmc, metropolis


@sampler(law=True, memoryless=True)
def daps(
    denoise,
    measurement,
    x,
    sigmas,
    randn_like,
    *,
    inner_steps: int = 50,
    covariance: Covariance | None = None,
    variance: Law,
):
    """Algorithm 1: sample x0 from p(y | x0) N(x0; D, r^2 I), then noise it to the next level.

    D is the denoised x itself: the paper's few steps of the ODE end elsewhere than at E[x0 | x],
    and its r = sigma is too wide, by 1.6 in the variance of what was not measured. With r^2 the
    variance of x0 given x, all levels have their exact law for white Gaussian priors, however few
    they are.

    inner_steps: of Langevin dynamics, where the measurement is not linear with Gaussian noise;
    there the inner sample is exact. covariance: a model of Cov[x0 | x] in place of r^2 I, for
    linear Gaussian measurements; with `covariance.jacobian` and its 40 pullbacks a level Gaussian
    priors of any shape are exact. variance: r^2(sigma); the driver gives the prior's own law.
    """

    def inner(x, sigma):
        if covariance is not None:
            return draw_shaped(measurement, covariance(denoise, x, sigma), randn_like)
        r2 = variance(sigma)
        return draw(measurement, denoise(x, sigma), r2, randn_like, steps=inner_steps)

    return _anneal(inner, x, sigmas, randn_like)


@sampler(law=True, memoryless=True)
def daps_hmc(denoise, measurement, x, sigmas, randn_like, *, inner_steps: int = 20, variance: Law):
    """The same with Hamiltonian inner steps, for every likelihood with a score.

    inner_steps: of each level, a score each. variance: r^2(sigma); the driver gives the prior's
    own law.
    """

    def inner(x, sigma):
        r2 = variance(sigma)
        return hmc(measurement, denoise(x, sigma), r2, randn_like, steps=inner_steps)

    return _anneal(inner, x, sigmas, randn_like)


@sampler(law=True, memoryless=True)
def daps_mh(denoise, measurement, x, sigmas, randn_like, *, inner_steps: int = 50, variance: Law):
    """The same with Metropolis-Hastings inner steps: operators are called, never derived.

    inner_steps: of each level, a forward call each. variance: r^2(sigma); the driver gives the
    prior's own law.
    """

    def inner(x, sigma):
        r2 = variance(sigma)
        return metropolis(measurement, denoise(x, sigma), r2, randn_like, steps=inner_steps)

    return _anneal(inner, x, sigmas, randn_like)


def _anneal(inner, x, sigmas, randn_like):
    for sigma, sigma_next in levels(sigmas):
        estimate = inner(x, sigma)
        x = estimate + sigma_next * randn_like(x) if sigma_next > 0 else estimate
        yield Step(x, estimate, sigma)
