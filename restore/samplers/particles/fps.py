"""Filtering posterior sampling: Dou & Song, ICLR 2024 (FPS-SMC), openreview tplXNcHZs1."""

from ...measurement.measurement import Measurement
from ...measurement.signal import dot
from ...priors.prior import Law
from ..base import Resumed, Step, levels, sampler
from ..parts.clouds import by_chain, cloud, effective, pick, refuse_all_but_linear, resample
from ..parts.kernels import reverse
from ..parts.twist import energy


@sampler(law=True, particles="particles", resumes=True)
def fps(
    denoise,
    measurement,
    x,
    sigmas,
    randn_like,
    *,
    particles: int = 16,
    variance: Law,
    resumed: Resumed,
):
    """Algorithm 2: y is noised with the diffusion of a chain, y_t = y + A b_t, and x follows it.

    x_t is drawn from p(x_t | x_s) N(y_t; A x_t, std^2), a product of normals. The paper weights
    with every N(y_t | x_s) as if the y_t were measured each on its own, which counts y once a
    level; here each takes the place of the last, N(y_t | x_s) / N(y_s; A x_s, std^2), so that the
    end counts y once. No gradient through the network.

    particles: M. variance: r^2(sigma), the prior's law.
    """
    refuse_all_but_linear(measurement)
    x, log_weights, path, promised = resumed.carried or (*cloud(x, particles), None, 0.0)
    for sigma, sigma_next in levels(sigmas, resumed.passed):
        denoised, r2 = denoise(x, sigma), variance(sigma)
        if path is None:
            path = (x - denoised)[::particles]  # b_s, one a chain
        path = _bridge(path, sigma, sigma_next, randn_like)
        seen = _seen(measurement, path)
        mean, nu2 = reverse(x, denoised, sigma, sigma_next, r2)
        gain = by_chain(-0.5 * energy(seen, mean, nu2)[0], log_weights) - promised
        log_weights = log_weights + gain
        ess = effective(log_weights)
        index, log_weights = resample(log_weights, randn_like)
        x = seen.draw_proximal(mean[index], nu2, randn_like)
        residual = seen.residual(x)
        white = seen.noise.whiten(residual)
        promised = by_chain(-0.5 * dot(white, white), log_weights)
        one = pick(log_weights, randn_like)
        yield Step(x[one], denoised[index][one], sigma, ess, (x, log_weights, path, promised))


def _bridge(path, sigma: float, sigma_next: float, randn_like):
    """The noise of a lower level given that of a higher one."""
    keep = (sigma_next / sigma) ** 2
    return keep * path + sigma_next * (1 - keep) ** 0.5 * randn_like(path)


def _seen(measurement: Measurement, path) -> Measurement:
    """The measurement of each chain with the noise of its path."""
    y = measurement.expanded(len(path)) + measurement.operator(path)
    return measurement.with_y(y)
