"""The likelihood at an estimate of x0: gradients and steps whose lengths need no tuning."""

import torch
from torch import Tensor

from ..measurement import Measurement
from ..noise import Gaussian
from ..signal import column, dot, rows


def widened(measurement: Measurement, residual: Tensor) -> Tensor:
    """max(std^2, mean |residual|^2): the variance that a wrong estimate leaves to the residual.

    DPS divides by |residual| instead, which ties its weight to the number of values, of steps and
    to their scale. The mean is over what was measured; for noise that is not Gaussian it is all.
    (batch, *out_shape) -> broadcastable against it.
    """
    power = column(measurement.power(residual), residual)
    if not isinstance(measurement.noise, Gaussian):
        return power
    return torch.clamp(power, min=measurement.noise.on(residual) ** 2)


def widened_score(measurement: Measurement, denoised: Tensor) -> Tensor:
    """grad log p(y | D) with the widened variance; noise that is not Gaussian has its own score."""
    if not isinstance(measurement.noise, Gaussian):
        return measurement.score(denoised)
    residual = measurement.residual(denoised)
    return measurement.operator.vjp(denoised, residual / widened(measurement, residual))


def steepest_step(measurement: Measurement, x: Tensor, variance: float) -> Tensor:
    """The first step of steepest descent for argmax_z log p(y | z) - |z - x|^2 / (2 variance).

    That is g / (1 / variance + c) with g the score at x and c the curvature of log p along it
    (Cauchy's step length), which serves every likelihood; (batch, *in_shape).
    """
    score, inverse = Measurement.score, 1 / variance
    if isinstance(measurement.noise, Gaussian) and not torch.as_tensor(measurement.noise.std).any():
        score, inverse = _pulled_residual, 0.0  # without noise it is least squares
    gradient = score(measurement, x)
    power = dot(gradient, gradient).clamp(min=1e-30)
    probe = (variance * x[0].numel() / power).sqrt()  # as far as x is off the truth
    change = gradient - score(measurement, x + column(probe, x) * gradient)
    curvature = (dot(gradient, change) / (probe * power)).clamp(min=1e-30)
    return gradient / (inverse + column(curvature, x))


def _pulled_residual(measurement: Measurement, x: Tensor) -> Tensor:
    return measurement.operator.vjp(x, measurement.residual(x))


def curvature(measurement: Measurement, batch: int) -> tuple[Tensor, Tensor]:
    """(|A|^2, least std^2) of each chain's observation, float64; |A|^2 / std^2 bounds A^H A / std^2.

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
    return rows(largest, batch).expand(batch), rows(least, batch).expand(batch)
