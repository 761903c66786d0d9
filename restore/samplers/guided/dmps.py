"""Diffusion model posterior sampling: Meng & Kabashima 2022, arXiv:2211.12343."""

from ...measurement.measurement import Measurement
from ...priors.prior import Denoiser
from ..guidance import guided


@guided
def dmps(denoise: Denoiser, measurement: Measurement, *, guidance: float = 1.0) -> Denoiser:
    """Equation 9, a flat prior: grad log p(y | x) ~ A^H (std^2 + sigma^2 A A^H)^-1 (y - A x).

    sigma^2 times that is proximal(x, sigma^2) - x. No gradient through the network. A Gaussian
    problem gets 0.8 (small noise) to 0.6 (large) of its variance.

    guidance: lambda, the weight of the likelihood; 1 is the formula itself.
    """

    def conditional(x, sigma):
        return denoise(x, sigma) + guidance * (measurement.proximal(x, sigma**2) - x)

    return conditional
