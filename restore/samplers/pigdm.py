"""Pseudoinverse-guided diffusion: Song et al., ICLR 2023, openreview 9_gsMA8MRKQ."""

from ..measurement import Measurement
from ..prior import Denoiser, Law, isotropic, linearize
from .guidance import guided

UNIT = isotropic(1.0)


@guided
def pigdm(denoise: Denoiser, measurement: Measurement, *, variance: Law = UNIT) -> Denoiser:
    """Equation 7, p(x0 | x) ~ N(D, r^2 I): the score J^T A^H (r^2 A A^H + std^2)^-1 (y - A D).

    That is J^T (proximal(D, r^2) - D) / r^2, which serves any likelihood that has a proximal step.

    variance: r^2(sigma); the driver gives the prior's own law.
    """

    def conditional(x, sigma):
        denoised, pullback = linearize(denoise, x, sigma)
        r2 = variance(sigma)
        pull = (measurement.proximal(denoised, r2) - denoised) / r2
        return denoised + sigma**2 * pullback(pull)

    return conditional
