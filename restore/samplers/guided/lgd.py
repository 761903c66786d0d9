"""Loss-guided diffusion by Monte Carlo: Song et al., ICML 2023, PMLR 202:32483."""

import torch

from ...measurement.measurement import Measurement
from ...measurement.noise import Gaussian
from ...measurement.signal import RandnLike, column, dot
from ...priors.prior import Denoiser, Law, linearize
from ..guidance import guided
from ..parts.safe_steps import shortened, surprised, widened

# of the draws' mean square residual half is their own spread, and of the rest the average over
# them adds as much again to the likelihood's width
SHARE = 0.25


@guided(law=True, draws=True)
def lgd(
    denoise: Denoiser,
    measurement: Measurement,
    randn_like: RandnLike,
    *,
    samples: int = 4,
    guidance: float = 1.0,
    variance: Law,
) -> Denoiser:
    """Equation 8: J^T grad log mean_i p(y | D + r n_i), with p(x0 | x) ~ N(D, r^2 I).

    As in DPS the variance of a Gaussian likelihood is the larger of the noise's own and what the
    residuals show, here a quarter of their mean square over all samples. One network call whatever
    the number of samples; where many values were measured one of them has nearly all the weight.
    A Gaussian problem gets 4 (small noise) to 0.8 (large) times its variance.

    samples: n, draws of n_i. guidance: weight of the gradient.
    variance: r^2(sigma), the prior's law.
    """

    def conditional(x, sigma):
        denoised, pullback = linearize(denoise, x, sigma)
        width = variance(sigma) ** 0.5
        points = [denoised + width * randn_like(denoised) for _ in range(samples)]
        logs, scores = _likelihoods(measurement, points)
        weights = torch.softmax(logs, 0)
        score = sum(column(w, x) * one for w, one in zip(weights, scores))
        move = sigma**2 * pullback(score)
        ahead = shortened(measurement, denoised, move, *widened(measurement, denoised))
        return denoised + guidance * ahead

    return conditional


def _likelihoods(measurement, points):
    """(log p(y | x_i) up to a constant, its gradient) at each point, widened."""
    vjp = measurement.operator.vjp
    if not isinstance(measurement.noise, Gaussian):
        scores, _, surprises = zip(*(surprised(measurement, point) for point in points))
        excess = (SHARE * sum(surprises) / len(points)).clamp(min=1)
        logs = [measurement.log_likelihood(point) / excess for point in points]
        wide = [score / column(excess, score) for score in scores]
        return torch.stack(logs), [vjp(x, score) for x, score in zip(points, wide)]
    residuals = [measurement.residual(point) for point in points]
    shown = SHARE * sum(measurement.power(residual) for residual in residuals) / len(points)
    std = measurement.noise.on(residuals[0])
    variance = torch.clamp(column(shown, residuals[0]), min=std**2)
    logs = [-0.5 * dot(residual, residual / variance) for residual in residuals]
    return torch.stack(logs), [vjp(x, r / variance) for x, r in zip(points, residuals)]
