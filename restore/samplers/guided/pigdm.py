"""Pseudoinverse-guided diffusion: Song et al., ICLR 2023, openreview 9_gsMA8MRKQ."""

import torch

from ...measurement.measurement import Measurement
from ...priors.prior import Denoiser, Law, linearize
from ..guidance import guided
from ..parts.safe_steps import shortened


@guided(law=True)
def pigdm(denoise: Denoiser, measurement: Measurement, *, variance: Law) -> Denoiser:
    """Equation 7, p(x0 | x) ~ N(D, r^2 I): the score J^T A^H (r^2 A A^H + std^2)^-1 (y - A D).

    That is J^T (proximal(D, r^2) - D) / r^2, which serves any likelihood that has a proximal step.
    sigma^2 of it moves D as the proximal step does where Cov[x0 | x] = r^2 I. Where it is wider
    than r^2, as in images' smooth parts by far, the move would overshoot: it goes at most twice as
    far as the data of the proximal step ask for.

    variance: r^2(sigma); the driver gives the prior's own law.
    """

    def conditional(x, sigma):
        denoised, pullback = linearize(denoise, x, sigma)
        r2 = variance(sigma)
        near = measurement.proximal(denoised, r2)
        move = sigma**2 / r2 * pullback(near - denoised)
        wanted = measurement.operator(near) - measurement.operator(denoised)
        one = torch.ones((), dtype=x.dtype, device=x.device)
        return denoised + shortened(measurement, denoised, move, wanted, one)

    return conditional
