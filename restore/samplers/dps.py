"""Diffusion posterior sampling: Chung et al., ICLR 2023, arXiv:2209.14687."""

import torch

from ..measurement import Measurement
from ..noise import Gaussian
from ..prior import Denoiser, linearize
from ..signal import column
from .guidance import guided


@guided
def dps(denoise: Denoiser, measurement: Measurement, *, guidance: float = 1.0) -> Denoiser:
    """grad log p(y | x_sigma) ~ J^T grad log p(y | D), the likelihood at the denoised estimate.

    The paper divides the gradient of |y - A(D)|^2 by |y - A(D)|, which ties its zeta to the number
    of values, of steps and to their scale. Here the variance of the likelihood is the larger of
    the noise's own and the mean square residual, so that one default serves all; where the noise
    is not Gaussian, its own score is used.

    guidance: weight of the gradient; 1 is the likelihood itself.
    """

    def conditional(x, sigma):
        denoised, pullback = linearize(denoise, x, sigma)
        return denoised + guidance * sigma**2 * pullback(_score(measurement, denoised))

    return conditional


def _score(measurement: Measurement, denoised):
    """A^H (y - A(D)) / max(std^2, mean |y - A(D)|^2), the mean over what was measured."""
    if not isinstance(measurement.noise, Gaussian):
        return measurement.score(denoised)
    residual = measurement.residual(denoised)
    power = column(measurement.power(residual), residual)
    variance = torch.clamp(power, min=measurement.noise.on(residual) ** 2)
    return measurement.operator.vjp(denoised, residual / variance)
