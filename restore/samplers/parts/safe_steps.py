"""The likelihood at an estimate of x0: gradients and steps whose lengths need no tuning."""

from collections.abc import Callable

import torch
from torch import Tensor

from ...measurement.measurement import Measurement
from ...measurement.noise import Gaussian
from ...measurement.signal import column, dot, per_chain
from .covariance import tangent

# how far past the data along it a move may go, in lengths to their minimum: an integrator goes only
# a share f of the way, 0 to 1, and |1 - 2 f| <= 1 does not diverge for any; twice is the most
REACH = 2.0


def safe_step(
    measurement: Measurement,
    denoised: Tensor,
    pullback: Callable[[Tensor], Tensor],
    sigma: float,
) -> Tensor:
    """sigma^2 J^T A^H (y - A D) / v, at most twice the way to the data: the shift of D.

    The likelihood's gradient at the estimate, as DPS has it, with a length that needs no tuning.
    DPS's line 7 is x - zeta / |r| grad_x |r|^2 with r = y - A(D), and grad_x |r|^2 = -2 J^T A^H r.
    Tweedie's formula says what the shift of D should be: sigma^2 grad log p(y | D), which is
    sigma^2 J^T A^H r / std^2. Two things keep it from being that:

    1. D is not x0, and r is far larger than the noise as long as it is not. So the variance v of
    the likelihood is max(std^2, mean |r|^2) (`widened`). That is the paper's division by |r|, made
    free of the number of values and of their scale.
    2. A prior that is far wider than |r| in some directions (the mean of an image) has a J that is
    far larger there, and a unit of gradient would overshoot the data a thousandfold. So the shift
    is cut where it would go farther than twice the way to the data along it (`shortened`).

    pullback: v -> J^T v, the denoiser's, from `linearize`. -> (batch, *in_shape)
    """
    score, variance = widened(measurement, denoised)
    move = sigma**2 * pullback(measurement.operator.vjp(denoised, score))
    return shortened(measurement, denoised, move, score, variance)


def safe_proximal_step(
    measurement: Measurement,
    denoised: Tensor,
    pullback: Callable[[Tensor], Tensor],
    sigma: float,
    r2: float,
) -> Tensor:
    """sigma^2 J^T (z - D) / r^2 with z = proximal(D, r^2), cut where it would overshoot z.

    (z - D) / r^2 is A^H (r^2 A A^H + std^2)^-1 (y - A D), so that this is sigma^2 times PiGDM's
    score: the shift of D to E[x0 | x, y] where sigma^2 J = Cov[x0 | x] = r^2 I. In directions in
    which sigma^2 J is far larger than r^2, such as the mean of an image, it would go far beyond z:
    it is cut at twice the way along it to what the operator sees of z (`shortened`).

    pullback: v -> J^T v, the denoiser's, from `linearize`. -> (batch, *in_shape)
    """
    near = measurement.proximal(denoised, r2)
    move = sigma**2 / r2 * pullback(near - denoised)
    wanted = measurement.operator(near) - measurement.operator(denoised)
    one = torch.ones((), dtype=denoised.dtype, device=denoised.device)
    return shortened(measurement, denoised, move, wanted, one)


def widened(measurement: Measurement, denoised: Tensor) -> tuple[Tensor, Tensor]:
    """The noise's score at A(D), and its variance, with what a wrong estimate adds to the noise.

    The variance of Gaussian noise is max(std^2, mean |y - A(D)|^2), the mean over what was
    measured; other noise is widened by as much, as its score is larger than its information says.
    DPS divides by |y - A(D)| instead, which ties its weight to the number of values, of steps and
    to their scale. (batch, *out_shape), and broadcastable against it.
    """
    noise = measurement.noise
    if isinstance(noise, Gaussian):
        residual = measurement.residual(denoised)
        power = column(measurement.power(residual), residual)
        variance = torch.clamp(power, min=noise.on(residual) ** 2)
        return residual / variance, variance
    score, information, surprise = surprised(measurement, denoised)
    excess = column(surprise.clamp(min=1), score)
    return score / excess, excess / information.clamp(min=1e-30)


def surprised(measurement: Measurement, denoised: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The noise's score at A(D), its information, and mean |score|^2 / information, 1 at the truth.

    (batch, *out_shape) twice, and (batch,).
    """
    y, clean = measurement.expanded(len(denoised)), measurement.operator(denoised)
    score = measurement.noise.score(y, clean)
    information = measurement.noise.information(y, clean)
    surprise = measurement.power(score / information.clamp(min=1e-30).sqrt())
    return score, information, surprise


def shortened(
    measurement: Measurement, denoised: Tensor, move: Tensor, score: Tensor, variance: Tensor
) -> Tensor:
    """A move of the estimate, stopped at twice the way to where the data along it are met best.

    2 <A m, s> / <A m, A m / v> of it, 0 to 1: for s = (y - A D) / v half of that is the minimum of
    |y - A(D + t m)|^2. Images are far wider in some directions (their mean) than a mean residual
    tells: there a gradient step of unit weight would overshoot a thousandfold.
    """
    ahead = tangent(measurement.operator, denoised)(move)
    power = dot(ahead, ahead / variance)
    length = dot(ahead, score) / torch.where(power > 0, power, 1)
    return column((REACH * length).clamp(0, 1), move) * move


def steepest_step(measurement: Measurement, x: Tensor, variance: float) -> Tensor:
    """The first step of steepest descent for argmax_z log p(y | z) - |z - x|^2 / (2 variance).

    That is g / (1 / variance + c) with g the score at x and c the curvature of log p along it
    (Cauchy's step length), which serves every likelihood; (batch, *in_shape).
    """
    inverse = 0.0 if measurement.noise.noise_free else 1 / variance  # then it is least squares
    score = measurement.with_density.score
    gradient = score(x)
    power = dot(gradient, gradient).clamp(min=1e-30)
    probe = (variance * x[0].numel() / power).sqrt()  # as far as x is off the truth
    change = gradient - score(x + column(probe, x) * gradient)
    curvature = (dot(gradient, change) / (probe * power)).clamp(min=1e-30)
    return gradient / (inverse + column(curvature, x))


def curvature(measurement: Measurement, batch: int) -> tuple[Tensor, Tensor]:
    """(|A|^2, least std^2) of each chain's observation, float64: what bounds A^H A / std^2.

    TypeError for measurements that are not linear with Gaussian noise: their curvature, from which
    a step size could follow, has no bound that is known.
    """
    if not measurement.linear_gaussian:
        raise TypeError(
            "a step size needs a linear operator and Gaussian noise, "
            f"not {measurement.operator} and {measurement.noise}"
        )
    each = [measurement.select(i, i + 1) for i in range(measurement.observations)]
    largest = torch.tensor([one.operator.norm() ** 2 for one in each], dtype=torch.float64)
    stds = [torch.as_tensor(one.noise.std, dtype=torch.float64).min() for one in each]
    least = torch.stack(stds) ** 2
    return per_chain(largest, batch).expand(batch), per_chain(least, batch).expand(batch)
