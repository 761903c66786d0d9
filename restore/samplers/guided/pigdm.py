"""Pseudoinverse-guided diffusion: Song et al., ICLR 2023, openreview 9_gsMA8MRKQ."""

from ...measurement.measurement import Measurement
from ...priors.prior import Denoiser, Law, linearize
from ..base import Step, levels, sampler
from ..guidance import guided
from ..parts.kernels import ddim_step
from ..parts.safe_steps import safe_proximal_step
from ..published import published


@sampler(memoryless=True)
def pigdm_paper(denoise, measurement, x, sigmas, randn_like, *, eta: float = 1.0):
    """With step=paper, Algorithm 1 itself: a DDIM step, to which J^T A^H (A A^H + std^2 / r^2)^-1
    (y - A D) is added, with r^2 = sigma^2 / (1 + sigma^2).

    That is the score of equation 7 times the paper's adaptive weight r^2. The paper's state is
    variance-preserving, and the authors' code weighs the term with sqrt(alpha_s alpha_t): that is 1
    for x here. It is far less than the likelihood's score at high levels, and as much at each of
    many as of few: a Gaussian problem gets 0.14 (small noise) to 0.3 (large) of its variance with
    100. There is no choice of an integrator.

    eta: the share of fresh noise in the DDIM step, 0 none, 1 ancestral; with step=paper.
    """
    for sigma, sigma_next in levels(sigmas):
        denoised, pullback = linearize(denoise, x, sigma)
        near = measurement.proximal(denoised, sigma**2 / (1 + sigma**2))
        x = ddim_step(x, denoised, sigma, sigma_next, randn_like, eta=eta).x
        x = x + pullback(near - denoised)
        yield Step(x, denoised, sigma)


@published(pigdm_paper)
@guided(law=True)
def pigdm(denoise: Denoiser, measurement: Measurement, *, variance: Law) -> Denoiser:
    """Equation 7, p(x0 | x) ~ N(D, r^2 I): the score J^T A^H (r^2 A A^H + std^2)^-1 (y - A D).

    That is J^T (proximal(D, r^2) - D) / r^2, which serves any likelihood that has a proximal step.
    sigma^2 of it moves D as the proximal step does where Cov[x0 | x] = r^2 I. Where it is wider
    than r^2, as in images' smooth parts by far, the move would overshoot: it goes at most twice as
    far as the data of the proximal step ask for.

    variance: r^2(sigma), the prior's law.
    step: safe, the update above, or paper, the one that was published.
    """

    def conditional(x, sigma):
        denoised, pullback = linearize(denoise, x, sigma)
        r2 = variance(sigma)
        return denoised + safe_proximal_step(measurement, denoised, pullback, sigma, r2)

    return conditional
