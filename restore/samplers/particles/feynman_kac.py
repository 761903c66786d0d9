"""Feynman-Kac correctors: Skreta et al., ICML 2025, arXiv:2503.02819."""

from ...measurement.signal import dot
from ...priors.prior import Law
from ..base import Resumed, Step, levels, sampler
from ..parts.clouds import by_chain, cloud, effective, pick, refuse_all_but_linear, resample
from ..parts.kernels import reverse
from ..parts.twist import energy


@sampler(law=True, particles="particles", resumes=True)
def feynman_kac(
    denoise,
    measurement,
    x,
    sigmas,
    randn_like,
    *,
    particles: int = 32,
    variance: Law,
    resumed: Resumed,
):
    """The tilted law p_s(x) exp(r_s(x)), followed by a guided diffusion and its weights.

    r_s(x) = log N(y; A x, std^2 + s^2 A A^H), which ends at the likelihood and takes no gradient
    through the network. With half of grad r in the drift, the second derivatives drop out of the
    Fokker-Planck equation: d log w = (dr/dtime + <grad log p_s, grad r> / 2) dtime, with time
    running as -sigma^2. The rate is averaged over both ends of a step.

    The guidance is half of what the likelihood asks, the weights bear the rest: with few particles
    for many measured numbers they degenerate. On 64 values of a blurred AR(1) signal the mean is
    0.29 posterior standard deviations off with 4 particles and the variance where measured 2.05
    times right, with 32 0.15 and 1.27 (with three times the steps 0.14 and 1.22), on 16 values with
    32 0.09 and 1.08, with 128 0.05 and 1.01: it is the particles that it takes, not the steps.

    particles: in each chain. variance: r^2(sigma), the prior's law.
    """
    refuse_all_but_linear(measurement)
    x, log_weights, above = resumed.carried or (*cloud(x, particles), None)
    for sigma, sigma_next in levels(sigmas, resumed.passed):
        denoised, r2 = denoise(x, sigma), variance(sigma)
        power, slope = energy(measurement, x, sigma**2)
        rate = dot(denoised - x, slope).double() / (2 * sigma**2)
        if above is not None:
            there = energy(measurement, x, above**2)[0]
            half = 0.25 * (there - power) + 0.5 * rate * (above**2 - sigma**2)
            log_weights = log_weights + by_chain(half, log_weights)
        if sigma_next == 0:  # p(y | x_s) in place of the tilt
            last = 0.5 * (power - energy(measurement, denoised, r2)[0])
            log_weights = log_weights + by_chain(last, log_weights)
        ess = effective(log_weights)
        index, log_weights = resample(log_weights, randn_like)
        estimate = denoised[index] + 0.5 * sigma**2 * slope[index]
        if sigma_next > 0:
            there = energy(measurement, x, sigma_next**2)[0]
            half = 0.25 * (power - there) + 0.5 * rate * (sigma**2 - sigma_next**2)
            log_weights = log_weights + by_chain(half[index], log_weights)
            mean, nu2 = reverse(x[index], estimate, sigma, sigma_next, r2)
            x = mean + nu2**0.5 * randn_like(mean)
        else:
            x = estimate = measurement.draw_proximal(denoised[index], r2, randn_like)
        above = sigma
        one = pick(log_weights, randn_like)
        yield Step(x[one], estimate[one], sigma, ess, (x, log_weights, above))
