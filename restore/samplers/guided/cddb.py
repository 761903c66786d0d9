"""The consistency step of CDDB: Chung, Kim & Ye, NeurIPS 2023, arXiv:2305.15086."""

from ...measurement.measurement import Measurement
from ...priors.prior import Denoiser, Law, linearize
from ..guidance import guided
from ..parts.safe_steps import shortened, steepest_step, widened


@guided(law=True)
def cddb(
    denoise: Denoiser,
    measurement: Measurement,
    *,
    guidance: float = 1.0,
    deep: bool = False,
    variance: Law,
) -> Denoiser:
    """One gradient step on the data from the estimate, D + alpha A^H (y - A D); equation 12.

    The length alpha is that of steepest descent for argmax log p(y | z) - |z - D|^2 / (2 r^2), so
    that the noise of the measurement sets it and nothing needs tuning. For a bridge network (I2SB)
    as for any other denoiser. Weakly measured directions of small noise are fitted late: a
    Gaussian problem is off by 0.6 standard deviations there, with 2.9 of the variance; with large
    noise by 0.1 and 0.9.

    guidance: a factor of alpha.
    deep: through the network as well, sigma^2 / r^2 J^T alpha A^H (y - A D); CDDB-deep.
    variance: r^2(sigma), the prior's law.
    """

    def conditional(x, sigma):
        r2 = variance(sigma)
        if not deep:
            denoised = denoise(x, sigma)
            return denoised + guidance * steepest_step(measurement, denoised, r2)
        denoised, pullback = linearize(denoise, x, sigma)
        move = sigma**2 / r2 * pullback(steepest_step(measurement, denoised, r2))
        ahead = shortened(measurement, denoised, move, *widened(measurement, denoised))
        return denoised + guidance * ahead

    return conditional
