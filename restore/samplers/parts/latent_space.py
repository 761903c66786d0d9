"""A measurement of latents taken apart, and descent to where the data are explained."""

from collections.abc import Callable

import torch
from torch import Tensor

from ...measurement.codec import Decoder, ThroughDecoder
from ...measurement.measurement import Measurement
from ...measurement.noise import Gaussian
from ...measurement.signal import column, dot, per_chain, worth_a_look
from .safe_steps import surprised

SLACK = 0.02  # above a limit that a descent may stop at: a descent comes to it from above

# a point -> (value of each chain, gradient)
Objective = Callable[[Tensor], tuple[Tensor, Tensor]]


def of_signal(measurement: Measurement) -> tuple[Measurement, Decoder]:
    """What was measured of the signal, and the decoder that makes it of latents.

    TypeError for a measurement that is not of latents.
    """
    operator = measurement.operator
    if not isinstance(operator, ThroughDecoder):
        raise TypeError(f"needs a measurement of latents, through a decoder, not {operator}")
    return Measurement(measurement.y, operator.outer, measurement.noise), operator.decoder


def misfit(measurement: Measurement) -> Objective:
    """x -> mean |y - A(x)|^2 / std^2 over what was measured, 1 at the truth, and its gradient.

    For other noise the mean of score^2 / information, with the information held; without noise as
    if there were a thousandth of y.
    """
    seen = measurement.with_density
    count = seen.measured_mask.flatten(1).sum(1).clamp(min=1)
    parts = 2 if seen.y.is_complex() else 1

    def objective(x: Tensor) -> tuple[Tensor, Tensor]:
        if isinstance(seen.noise, Gaussian):
            residual = seen.residual(x)
            value = seen.power(seen.noise.whiten(residual))
            score = residual / seen.noise.on(residual) ** 2
        else:
            score, _, value = surprised(seen, x)
        gradient = seen.operator.vjp(x, score)
        share = 2 / (parts * per_chain(count, len(x)))
        return value, -column(share.to(gradient.real.dtype), gradient) * gradient

    return objective


def decoded(objective: Objective, decoder: Decoder) -> Objective:
    """The objective as a function of latents; two passes through the decoder, one of them back."""

    def of_latents(z: Tensor) -> tuple[Tensor, Tensor]:
        value, gradient = objective(decoder(z))
        return value, decoder.vjp(z, gradient)

    return of_latents


def descend(objective: Objective, x: Tensor, limit: Tensor | float, *, steps: int) -> Tensor:
    """x moved down to where objective <= limit, each chain on its own, in at most `steps`.

    Steps of Polyak's length (1969), (value - limit) / |gradient|^2: of a convex objective none
    passes the limit, and each comes nearer to all points within it. A step that does not go down
    is taken back and halved.
    """
    value, gradient = objective(x)
    caution = torch.ones_like(value)
    for step in range(steps):
        active = value > (1 + SLACK) * limit
        if worth_a_look(step, x) and not active.any():
            break
        power = dot(gradient, gradient).clamp(min=torch.finfo(value.dtype).tiny)
        length = torch.where(active, caution * (value - limit) / power, 0)
        trial = x - column(length, x) * gradient
        tried, slope = objective(trial)
        better = active & (tried < value)
        x = torch.where(column(better, x), trial, x)
        gradient = torch.where(column(better, x), slope, gradient)
        value = torch.where(better, tried, value)
        caution = torch.where(active & ~better, caution / 2, (1.5 * caution).clamp(max=1))
    return x
