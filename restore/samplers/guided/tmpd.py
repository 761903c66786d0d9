"""Tweedie moment projected diffusion: Boys et al. 2023, arXiv:2310.06721.

The same guidance is moment matching posterior sampling, MMPS: Rozet et al., NeurIPS 2024,
arXiv:2405.13712, whose matrix-free solve this is.
"""

from ...measurement.measurement import Measurement
from ...priors.prior import Denoiser
from ..guidance import guided
from ..parts.covariance import Covariance, jacobian, pull
from ..parts.safe_steps import shortened, widened


@guided
def tmpd(
    denoise: Denoiser,
    measurement: Measurement,
    *,
    solver_steps: int = 5,
    covariance: Covariance = jacobian,
) -> Denoiser:
    """p(x0 | x) ~ N(D, C) with C = sigma^2 J: D_y = D + C A^H (std^2 + A C A^H)^-1 (y - A D).

    E[x0 | x, y] itself for Gaussian priors. One network call and at most solver_steps + 1
    pullbacks a step; needs Gaussian noise.

    solver_steps: conjugate gradients among the measured numbers; as many as there are solve
    exactly, MMPS takes 1 to 3.
    covariance: the model of C; `covariance.diagonal` takes one pullback in all.
    """

    def conditional(x, sigma):
        estimate = covariance(denoise, x, sigma)
        gain = pull(measurement, estimate, max_steps=solver_steps)
        move = estimate.times(gain)
        denoised = estimate.denoised
        return denoised + shortened(measurement, denoised, move, *widened(measurement, denoised))

    return conditional
