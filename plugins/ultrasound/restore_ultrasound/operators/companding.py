"""Mu-law companding of envelopes and of signed radio-frequency signals, and log compression.

C(e) = sign(e) ln(1 + mu |e|) / ln(1 + mu), e from -1 to 1 (ITU-T G.711; for ultrasound Stevens et
al., IEEE TMI 2024, arXiv:2307.11204). A picture in brightness mode that shows a dynamic range of R
decibels is the companding of its envelope with mu = 10^(R / 20) - 1: up to the floor, which is
taken for black, that is log compression, 1 + 20 log10(e) / R.
"""

import math

import torch
from torch import Tensor

from restore.measurement.operator import LinearOperator, Operator

RANGE = 60.0  # dB that a display shows where nothing tells
WIDEST = 400.0  # dB: no echo is measured over so many


def mu_of(dynamic_range: float) -> float:
    """The mu of a display of so many decibels, 999 of 60; ValueError for what none shows."""
    if not 0 < dynamic_range <= WIDEST:
        raise ValueError(
            f"a dynamic range is positive and at most {WIDEST:g} dB, got {dynamic_range:g}"
        )
    return 10 ** (dynamic_range / 20) - 1


def companded(linear: Tensor, mu: float) -> Tensor:
    """sign(e) ln(1 + mu |e|) / ln(1 + mu); any shape, -1 to 1 stays within."""
    return linear.sign() * torch.log1p(mu * linear.abs()) / math.log1p(mu)


def expanded(values: Tensor, mu: float) -> Tensor:
    """The inverse of `companded`: sign(x) ((1 + mu)^|x| - 1) / mu; any shape."""
    return values.sign() * torch.expm1(values.abs() * math.log1p(mu)) / mu


def log_compressed(envelope: Tensor, dynamic_range: float) -> Tensor:
    """Decibels under the envelope's own maximum, clipped at -dynamic_range; any shape.

    An envelope of zero is -dynamic_range, not minus infinity; ValueError where some is negative.
    """
    mu_of(dynamic_range)
    if (envelope < 0).any():
        raise ValueError("an envelope is not negative: these values are no envelope")
    floor = 10 ** (-dynamic_range / 20)
    top = envelope.max().clamp_min(torch.finfo(envelope.dtype).tiny)
    return 20 * torch.log10((envelope / top).clamp_min(floor))


class Companding(Operator):
    """y = C(x) of each value; `expand` is its exact inverse.

    mu: how strongly, 255 of telephones, 999 of a display of 60 dB.
    """

    def __init__(self, shape: tuple[int, ...], mu: float = mu_of(RANGE)):
        super().__init__(shape, shape)
        self.mu = float(mu)

    def _forward(self, x: Tensor) -> Tensor:
        return companded(x, self.mu)

    def expand(self, y: Tensor) -> Tensor:
        """x of y = C(x); (batch, *shape)."""
        return expanded(y, self.mu)

    def vjp(self, x: Tensor, v: Tensor) -> Tensor:
        return v * self.mu / (1 + self.mu * x.abs()) / math.log1p(self.mu)


class HazeSum(Operator):
    """y = C((C^-1(x)^2 + C^-1(h)^2)^1/2): tissue x and haze h, companded, add up by their power.

    (2, *size) -> (1, *size). Waves add with phases that an envelope does not tell; over these the
    powers add in the mean. Near one of them that is far louder y follows it alone, as it does in
    what a scanner shows, and where h is 0 y is |x|. To be used with `joint(tissue, haze)`.
    """

    def __init__(self, size: tuple[int, ...], mu: float = mu_of(RANGE)):
        super().__init__((2, *size), (1, *size))
        self.mu = float(mu)

    def _forward(self, z: Tensor) -> Tensor:
        x, h = expanded(z, self.mu).split(1, 1)
        return companded((x.square() + h.square() + TINY).sqrt(), self.mu)

    def vjp(self, x: Tensor, v: Tensor) -> Tensor:
        linear = expanded(x, self.mu)
        total = (linear.square().sum(1, keepdim=True) + TINY).sqrt()
        inner = (1 + self.mu * linear.abs()) / (1 + self.mu * total)  # C'(total) / C'(part)
        return v * linear / total * inner


class Intensity(Operator):
    """y = C^-1(x)^2 of each value: the power behind a companded envelope; (*shape) to (*shape)."""

    def __init__(self, shape: tuple[int, ...], mu: float = mu_of(RANGE)):
        super().__init__(shape, shape)
        self.mu = float(mu)

    def _forward(self, x: Tensor) -> Tensor:
        return expanded(x, self.mu).square() + TINY

    def vjp(self, x: Tensor, v: Tensor) -> Tensor:
        slope = math.log1p(self.mu) * (1 / self.mu + expanded(x, self.mu).abs())
        return 2 * v * expanded(x, self.mu) * slope


class PowerBlur(Operator):
    """y = C((B C^-1(x)^2)^1/2): a blur B of powers, seen companded.

    Echoes of neighbouring scatterers meet with random phases: in the mean their powers add up, each
    spread by the squared profile of beam and pulse. blur: B, whose weights are not negative.
    """

    def __init__(self, blur: LinearOperator, mu: float = mu_of(RANGE)):
        super().__init__(blur.in_shape, blur.out_shape)
        self.blur, self.mu = blur, float(mu)

    def _forward(self, x: Tensor) -> Tensor:
        power = self.blur(expanded(x, self.mu).square())
        return companded((power.clamp_min(0) + TINY).sqrt(), self.mu)


TINY = 1e-14  # under the root: 140 dB below the brightest echo, where its slope would be undefined
