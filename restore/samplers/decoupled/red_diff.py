"""Regularisation by denoising diffusion: Mardani et al., ICLR 2024, arXiv:2305.04391."""

from ...priors.prior import Law
from ..base import Resumed, Step, levels, sampler
from ..parts.descent import Adam, uphill


@sampler(law=True, resumes=True)
def red_diff(
    denoise,
    measurement,
    x,
    sigmas,
    randn_like,
    *,
    strength: float = 1.0,
    step_size: float = 0.1,
    variance: Law,
    resumed: Resumed,
):
    """Algorithm 1: the mean mu of a narrow Gaussian q(x0 | y) by stochastic gradients.

    The gradient of the prior, w(sigma) (eps - n) with w = strength sigma / sigma_data^2, is
    (mu - D(mu + sigma n)) / sigma_data^2: at high levels the pull of a Gaussian as wide as the
    signal.

    A point, not a distribution: next to no variance, and for a white Gaussian prior a mean 0.07
    (little noise) to 0.5 posterior standard deviations (noise of half the signal) off.

    strength: lambda; 1 gives a white Gaussian prior its own weight. step_size: of Adam, in units
    of sigma_data, the signal's standard deviation; it falls to zero over the levels.
    variance: r^2(sigma), whose value at the first level is sigma_data^2; the prior's law.
    """
    mu, adam, sigma_data2 = x, Adam(0.9, 0.99, *resumed.carried), variance(sigmas[0].item())
    if not resumed.passed:
        denoised = denoise(x, sigmas[0].item())
        mu = measurement.proximal(denoised, sigma_data2)  # the paper's A^+ y
        yield Step(mu, denoised, sigmas[0].item())
    steps, first = len(sigmas) - 1, max(1, resumed.passed)
    for index, (sigma, _) in enumerate(levels(sigmas, first), first - 1):
        denoised = denoise(mu + sigma * randn_like(mu), sigma)
        gradient = uphill(measurement, mu) + strength / sigma_data2 * (mu - denoised)
        mu = adam(mu, gradient, step_size * sigma_data2**0.5 * (1 - index / steps))
        yield Step(mu, denoised, sigma, carried=adam.moments)
