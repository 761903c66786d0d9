"""Decoupled annealing posterior sampling: Zhang et al., CVPR 2025, arXiv:2407.01521."""

from ...priors.prior import Law
from ...priors.schedules import karras
from ..base import Resumed, Step, levels, sampler
from ..parts.covariance import Covariance
from ..parts.inner_samples import draw, draw_shaped, hmc, metropolis
from ..parts.kernels import ddim_step
from ..published import published

ODE_END = 0.01  # the last level of the paper's ODE; a tenth of sigma where that is less
DECAY = 0.01  # delta, what is left of the step size at the last level


@sampler(resumes=True)
def daps_paper(
    denoise,
    measurement,
    x,
    sigmas,
    randn_like,
    *,
    inner_steps: int = 100,
    ode_steps: int = 5,
    step_size: float = 1e-4,
    resumed: Resumed,
):
    """With step=paper, Algorithm 1 itself: x0 of the probability-flow ODE, r = sigma, Langevin
    steps of a stated length.

    The length falls linearly over the levels to a hundredth, as in the authors' code; 1e-4 is for
    images from -1 to 1, and must stay below 2 std^2. 100 inner steps are taken unless told
    otherwise. The likelihood is the measurement's: the published experiments took a std of 0.01
    for noise of 0.05, which is `Gaussian(0.01)` here, and levels from 100 to 0.1. Langevin steps
    longer than 2 sigma^2 diverge. There is no covariance model.

    Samples of the inner law itself would be too wide, with twice the variance where nothing was
    measured; the published steps begin at x0 and are far too short to get there.

    ode_steps: Euler steps of the ODE, a network call each; with step=paper.
    step_size: eta_0 of the Langevin steps; with step=paper.
    """
    passed = resumed.passed
    for index, (sigma, sigma_next) in enumerate(levels(sigmas, passed), passed):
        centre = _flow(denoise, x, sigma, ode_steps)
        length = step_size * (1 - (1 - DECAY) * index / (len(sigmas) - 1))
        estimate = centre
        for _ in range(inner_steps):
            drift = (centre - estimate) / sigma**2 + measurement.score(estimate)
            estimate = estimate + length * drift + (2 * length) ** 0.5 * randn_like(x)
        x = estimate + sigma_next * randn_like(x) if sigma_next > 0 else estimate
        yield Step(x, estimate, sigma)


def _flow(denoise, x, sigma: float, steps: int):
    """x0 by Euler steps of the probability-flow ODE from sigma to ODE_END, and D there."""
    for here, after in levels(karras(sigma, min(ODE_END, 0.1 * sigma), steps)):
        x = ddim_step(x, denoise(x, here), here, after, None).x
    return x


@published(daps_paper)
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
    priors of any shape are exact. variance: r^2(sigma), the prior's law.
    step: safe, the update above, or paper, the one that was published.
    """

    def inner(x, sigma):
        if covariance is not None:
            return draw_shaped(measurement, covariance(denoise, x, sigma), randn_like)
        r2 = variance(sigma)
        return draw(measurement, denoise(x, sigma), r2, randn_like, steps=inner_steps)

    return _anneal(inner, x, sigmas, randn_like)


@sampler(law=True, memoryless=True)
def daps_hmc(denoise, measurement, x, sigmas, randn_like, *, inner_steps: int = 20, variance: Law):
    """Algorithm 1 with Hamiltonian inner steps, for every likelihood with a score.

    As in `daps`, x0 is drawn from p(y | x0) N(x0; D, r^2 I), then noised to the next level.

    inner_steps: of each level, a score each. variance: r^2(sigma), the prior's law.
    """

    def inner(x, sigma):
        r2 = variance(sigma)
        return hmc(measurement, denoise(x, sigma), r2, randn_like, steps=inner_steps)

    return _anneal(inner, x, sigmas, randn_like)


@sampler(law=True, memoryless=True)
def daps_mh(denoise, measurement, x, sigmas, randn_like, *, inner_steps: int = 50, variance: Law):
    """Algorithm 1 with Metropolis-Hastings inner steps: operators are called, never derived.

    As in `daps`, x0 is drawn from p(y | x0) N(x0; D, r^2 I), then noised to the next level.

    inner_steps: of each level, a forward call each. variance: r^2(sigma), the prior's law.
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
