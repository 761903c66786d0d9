"""Diffusion posterior sampling: Chung et al., ICLR 2023, arXiv:2209.14687."""

from ...measurement.measurement import Measurement
from ...priors.prior import Denoiser, linearize
from ..base import Step, levels, sampler
from ..guidance import guided
from ..parts.kernels import ancestral_step
from ..parts.published_steps import dps_step
from ..parts.safe_steps import safe_step
from ..published import published


@sampler(memoryless=True)
def dps_paper(denoise, measurement, x, sigmas, randn_like, *, guidance: float = 1.0):
    """With step=paper, Algorithm 1 itself: ancestral steps, each less zeta / |r| grad |r|^2.

    r = y - A(D), and guidance is the zeta of the paper's zeta_i = zeta / |r|. The authors' code
    takes the gradient of |r| and not of |r|^2, half as much: its scale of 0.3 is guidance=0.15
    here. Step sizes hold for images from -1 to 1 and as many levels as they were published for
    (1000). Noise has no part in it: with 100 levels a Gaussian problem of small noise gets 53 times
    its variance (5 with guidance=0.3), one of large noise 0.7 (0.06), its mean 0.6 posterior
    standard deviations off. There is no choice of an integrator.
    """
    for sigma, sigma_next in levels(sigmas):
        denoised, pullback = linearize(denoise, x, sigma)  # lines 3 and 4
        move = dps_step(measurement, denoised, pullback, sigma, sigma_next)
        x = ancestral_step(x, denoised, sigma, sigma_next, randn_like).x  # lines 5 and 6
        x = x + guidance * move  # line 7
        yield Step(x, denoised, sigma)


@published(dps_paper)
@guided
def dps(denoise: Denoiser, measurement: Measurement, *, guidance: float = 1.0) -> Denoiser:
    """grad log p(y | x_sigma) ~ J^T grad log p(y | D), the likelihood at the denoised estimate.

    The paper divides the gradient of |y - A(D)|^2 by |y - A(D)|, which ties its zeta to the number
    of values, of steps and to their scale. Here the variance of the likelihood is the larger of
    the noise's own and the mean square residual, so that one default serves all; a score of noise
    that is not Gaussian is shortened in the same way. No step goes more than twice the way to
    the data along it. A Gaussian problem gets 8 (small noise) to 0.7 (large) times its variance.

    guidance: weight of the gradient; 1 is the likelihood itself.
    step: safe, the update above, or paper, the one that was published.
    """

    def conditional(x, sigma):
        denoised, pullback = linearize(denoise, x, sigma)  # lines 3 and 4 of Algorithm 1
        return denoised + guidance * safe_step(measurement, denoised, pullback, sigma)  # line 7

    return conditional
