"""Plug-and-play unadjusted Langevin: Laumont et al., SIAM J. Imaging 2022, arXiv:2103.04715."""

from ...measurement.signal import column
from ...priors.prior import Law
from ..base import Resumed, Step, levels, sampler
from ..parts.kernels import ancestral_step
from ..parts.safe_steps import curvature


@sampler(law=True, resumes=True)
def pnp_ula(
    denoise,
    measurement,
    x,
    sigmas,
    randn_like,
    *,
    level: float = 0.1,
    step_size: float = 0.25,
    iterations: int = 300,
    variance: Law,
    resumed: Resumed,
):
    """Algorithm 1: a Langevin chain on p(y | x) p_epsilon(x), at one noise level of the prior.

    The schedule only leads there: plug-and-play descent (proximal steps with variance r^2) starts
    the chain down to the level, where `iterations` more Steps follow, whatever the schedule's
    length. Samples are of the posterior with a prior blurred by that level; there is no projection
    on a range of values. ValueError for a measurement without noise, TypeError for one that is not
    linear with Gaussian noise.

    level: sqrt(epsilon), in units of the prior's own std.
    step_size: delta, in units of the inverse of the largest curvature, below 2; the variance is
    too large by about half of it in the stiffest direction.
    iterations: length of the chain. It forgets its start after about (std of the prior / level)^2
    / step_size of them, and more where the noise of the measurement is below the level.
    variance: r^2(sigma), the prior's law.
    """
    power, least = (value.to(x.device) for value in curvature(measurement, len(x)))
    if not measurement.noise.has_density:
        raise ValueError("noise of std 0 leaves a Langevin chain no step: pnp_ula needs some")
    fixed = level * variance(sigmas[0].item()) ** 0.5
    way_there = [pair for pair in levels(sigmas) if pair[1] >= fixed]
    for sigma, sigma_next in way_there[resumed.passed :]:
        denoised = measurement.proximal(denoise(x, sigma), variance(sigma))
        x = ancestral_step(x, denoised, sigma, sigma_next, randn_like).x
        yield Step(x, denoised, sigma)
    length = column((step_size / (1 / fixed**2 + power / least)).to(x.real.dtype), x)
    for _ in range(max(0, resumed.passed - len(way_there)), iterations):
        denoised = denoise(x, fixed)
        drift = measurement.score(x) + (denoised - x) / fixed**2
        x = x + length * drift + (2 * length).sqrt() * randn_like(x)
        yield Step(x, denoised, fixed)
