"""Decoupled diffusion sequential Monte Carlo: Kelvinius, Zhao & Lindsten 2025, arXiv:2502.06379."""

from ...priors.prior import Law
from ..base import Resumed, Step, levels, sampler
from ..parts.clouds import by_chain, cloud, effective, pick, refuse_all_but_linear, resample
from ..parts.twist import energy


@sampler(law=True, particles="particles", resumes=True)
def ddsmc(
    denoise,
    measurement,
    x,
    sigmas,
    randn_like,
    *,
    particles: int = 16,
    eta: float = 1.0,
    variance: Law,
    resumed: Resumed,
):
    """Algorithm 1, for linear operators and Gaussian noise; no gradient through the network.

    Decoupled: x0 is drawn from p(y | x0) N(x0; D, r^2 I), then x_t = a x0 + (1 - a) x_s + noise.
    All weights are ratios of L(z, v) = N(y; A z, std^2 + v A A^H): with p the marginal of x_t in
    that model of x0, p / q = L(D, r^2) / L(E[x0 | x_t, x_s], Var), and the weight
    p L_t / (q L_s) = L(D_t, r_t^2) / L(E, Var). It is 1 for white Gaussian priors.
    The paper's p leaves r^2 out of the variance, and its samples are too narrow for that.

    particles: N. eta: 1 moves like ancestral sampling, 0 forgets x_s, as DAPS does.
    variance: r^2(sigma), the prior's law, the paper's lambda.
    """
    refuse_all_but_linear(measurement)
    x, log_weights, expected = resumed.carried or (*cloud(x, particles), 0.0)
    for sigma, sigma_next in levels(sigmas, resumed.passed):
        denoised, r2 = denoise(x, sigma), variance(sigma)
        now = -0.5 * energy(measurement, denoised, r2)[0]
        log_weights = log_weights + by_chain(now, log_weights) - expected
        ess = effective(log_weights)
        index, log_weights = resample(log_weights, randn_like)
        x, denoised = x[index], denoised[index]
        estimate = measurement.draw_proximal(denoised, r2, randn_like)
        if sigma_next > 0:
            gap = sigma**2 - sigma_next**2
            a = gap / (eta * sigma_next**2 + gap)
            nu2 = sigma_next**2 * a
            moved = a * estimate + (1 - a) * x + nu2**0.5 * randn_like(x)
            left = 1 / (1 / r2 + a**2 / nu2)
            implied = denoised + left * a / nu2 * (moved - (1 - a) * x - a * denoised)
            # log L(E, Var) of the move
            expected = by_chain(-0.5 * energy(measurement, implied, left)[0], log_weights)
            x = moved
        else:
            x = estimate
        one = pick(log_weights, randn_like)
        yield Step(x[one], estimate[one], sigma, ess, (x, log_weights, expected))
