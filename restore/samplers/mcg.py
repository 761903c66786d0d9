"""Manifold-constrained gradients: Chung et al., NeurIPS 2022, arXiv:2206.00941."""

from dataclasses import replace

from torch import Tensor

from ..measurement import Measurement
from ..prior import linearize
from .base import Step, levels, memoryless
from .kernels import ancestral_step
from .likelihood import widened_score


@memoryless
def mcg(denoise, measurement, x, sigmas, randn_like, *, guidance: float = 1.0):
    """Equations 14 and 15: the gradient step of DPS, then a projection on the noised measurement.

    The paper's projection takes y for free of noise. Here it goes only as far as y knows better
    than x, and adds only the noise that y lacks: see `merge`. Data count twice, as gradient and as
    projection: where something was measured a Gaussian problem gets 0.16 (small noise) to 0.24
    (large) of its variance. TypeError for measurements that are not linear with Gaussian noise.

    guidance: weight of the gradient; 1 is the likelihood itself.
    """
    if not measurement.linear_gaussian:
        raise TypeError(
            "mcg projects with a linear operator and Gaussian noise, "
            f"not {measurement.operator} and {measurement.noise}"
        )
    for sigma, sigma_next in levels(sigmas):
        denoised, pullback = linearize(denoise, x, sigma)
        gradient = pullback(widened_score(measurement, denoised))
        denoised = denoised + guidance * sigma**2 * gradient
        x = ancestral_step(x, denoised, sigma, sigma_next, randn_like).x
        if sigma_next > 0:
            x = merge(measurement, x, sigma_next, randn_like)
        yield Step(x, denoised, sigma)


def merge(measurement: Measurement, x: Tensor, sigma: float, randn_like) -> Tensor:
    """x = x0 + sigma n moved to the measurement, its noise still of variance sigma^2.

    x + K^(1/2) sigma n + sigma^2 A^H (sigma^2 A A^H + std^2)^-1 (y - A x) with K = sigma^2 A^H
    (sigma^2 A A^H + std^2)^-1 A: along a singular value s it goes 1 / (1 + (std / (s sigma))^2) of
    the way. Without noise that is the projection x + A^+ (y + A sigma n - A x).
    """
    y, fresh = measurement.expanded(len(x)), sigma * randn_like(x)
    noised = replace(measurement, y=y + measurement.noise.on(y) * randn_like(y))
    return noised.proximal(x + fresh, sigma**2) - fresh
