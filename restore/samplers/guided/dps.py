"""Diffusion posterior sampling: Chung et al., ICLR 2023, arXiv:2209.14687."""

from ...measurement.measurement import Measurement
from ...priors.prior import Denoiser, linearize
from ..guidance import guided
from ..parts.safe_steps import shortened, widened


@guided
def dps(denoise: Denoiser, measurement: Measurement, *, guidance: float = 1.0) -> Denoiser:
    """grad log p(y | x_sigma) ~ J^T grad log p(y | D), the likelihood at the denoised estimate.

    The paper divides the gradient of |y - A(D)|^2 by |y - A(D)|, which ties its zeta to the number
    of values, of steps and to their scale. Here the variance of the likelihood is the larger of
    the noise's own and the mean square residual, so that one default serves all; a score of noise
    that is not Gaussian is shortened in the same way. No step goes more than twice the way to
    the data along it. A Gaussian problem gets 8 (small noise) to 0.7 (large) times its variance.

    guidance: weight of the gradient; 1 is the likelihood itself.
    """

    def conditional(x, sigma):
        denoised, pullback = linearize(denoise, x, sigma)
        score, spread = widened(measurement, denoised)
        move = sigma**2 * pullback(measurement.operator.vjp(denoised, score))
        return denoised + guidance * shortened(measurement, denoised, move, score, spread)

    return conditional
