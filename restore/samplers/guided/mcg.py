"""Manifold-constrained gradients: Chung et al., NeurIPS 2022, arXiv:2206.00941."""

from dataclasses import replace

from torch import Tensor

from ...measurement.measurement import Measurement
from ...measurement.noise import Gaussian
from ...priors.prior import linearize
from ..base import Step, levels, sampler
from ..parts.kernels import ancestral_step
from ..parts.published_steps import dps_step
from ..parts.safe_steps import safe_step
from ..published import published


@sampler(memoryless=True)
def mcg_paper(denoise, measurement, x, sigmas, randn_like, *, guidance: float = 0.5):
    """With step=paper, equations 14 and 15 themselves: the gradient, then a whole projection.

    x is moved against alpha grad |y - A(D)|^2 with W = I and alpha = guidance / |y - A(D)|, then
    replaced where it was measured by y with the noise of its level, as if y had none of its own:
    x + A^+ (y + sigma A n - A x). The samples fit y with all of its noise: where something was
    measured they have no variance.
    """
    _refuse_all_but_linear(measurement)
    clean = replace(measurement, noise=Gaussian(0.0))
    for sigma, sigma_next in levels(sigmas):
        denoised, pullback = linearize(denoise, x, sigma)
        move = dps_step(measurement, denoised, pullback, sigma, sigma_next)
        x = ancestral_step(x, denoised, sigma, sigma_next, randn_like).x
        x = x + guidance * move  # equation 14
        noised = measurement.expanded(len(x)) + measurement.operator(sigma_next * randn_like(x))
        x = clean.with_y(noised).proximal(x, 1.0)  # equation 15
        yield Step(x, denoised, sigma)


@published(mcg_paper)
@sampler(memoryless=True)
def mcg(denoise, measurement, x, sigmas, randn_like, *, guidance: float = 0.5):
    """Equations 14 and 15: the gradient step of DPS, then a projection on the noised measurement.

    The paper's projection takes y for free of noise. Here it goes only as far as y knows better
    than x, adds only the noise that y lacks (`merge`), and lets y count for as much as the step
    has noise that is fresh: however many steps, y counts once. But it counts in the gradient too:
    where something was measured a Gaussian problem gets half of its variance, with the paper's
    guidance of 1 a third, without the gradient 0.8. TypeError for measurements that are not
    linear with Gaussian noise.

    guidance: weight of the gradient; 1 is the likelihood itself.
    step: safe, the update above, or paper, the one that was published.
    """
    _refuse_all_but_linear(measurement)
    for sigma, sigma_next in levels(sigmas):
        denoised, pullback = linearize(denoise, x, sigma)
        denoised = denoised + guidance * safe_step(measurement, denoised, pullback, sigma)
        x = ancestral_step(x, denoised, sigma, sigma_next, randn_like).x
        if sigma_next > 0:
            fresh = 1 - (sigma_next / sigma) ** 2
            x = merge(measurement, x, sigma_next, randn_like, share=fresh)
        yield Step(x, denoised, sigma)


def merge(measurement: Measurement, x: Tensor, sigma: float, randn_like, share=1.0) -> Tensor:
    """x = x0 + sigma n moved to the measurement, its noise still of variance sigma^2.

    x + K^(1/2) sigma n + sigma^2 A^H (sigma^2 A A^H + std^2)^-1 (y - A x) with K = sigma^2 A^H
    (sigma^2 A A^H + std^2)^-1 A: along a singular value s it goes 1 / (1 + (std / (s sigma))^2) of
    the way. Without noise that is the projection x + A^+ (y + A sigma n - A x).

    share: of the measurement that counts, its std being std / sqrt(share).
    """
    weaker = Gaussian(measurement.noise.std / share**0.5)
    y, fresh = measurement.expanded(len(x)), sigma * randn_like(x)
    noised = measurement.with_y(y + weaker.on(y) * randn_like(y), weaker)
    return noised.proximal(x + fresh, sigma**2) - fresh


def _refuse_all_but_linear(measurement: Measurement) -> None:
    if not measurement.linear_gaussian:
        raise TypeError(
            "mcg projects with a linear operator and Gaussian noise, "
            f"not {measurement.operator} and {measurement.noise}"
        )
