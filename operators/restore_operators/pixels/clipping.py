"""What a sensor does to brightness, point by point: clipping and gamma. Not linear."""

from collections.abc import Sequence

import torch
from torch import Tensor

from restore.measurement.operator import Operator

TOE = 1e-3  # of the full range: the slope of x^gamma, infinite at 0, is bounded below it


class Clip(Operator):
    """y = min(max(x, low), high); its slope is 1 inside, ends included, and 0 outside."""

    def __init__(self, in_shape: Sequence[int], low: float = 0.0, high: float = 1.0):
        if not low < high:
            raise ValueError(f"clipping wants low < high, got {low} and {high}")
        super().__init__(in_shape, in_shape)
        self.low, self.high = low, high

    def _forward(self, x: Tensor) -> Tensor:
        return x.clamp(self.low, self.high)

    def vjp(self, x: Tensor, v: Tensor) -> Tensor:
        inside = (x >= self.low) & (x <= self.high)
        return self._checked(v, self.out_shape, "output") * inside


class Gamma(Operator):
    """y = x^gamma, and the straight line to it through the origin below 0.001.

    gamma: 1 / 2.2 encodes linear light for a screen, 2.2 decodes it.
    """

    def __init__(self, in_shape: Sequence[int], gamma: float = 1 / 2.2):
        if not gamma > 0:
            raise ValueError(f"gamma must be positive, got {gamma}")
        super().__init__(in_shape, in_shape)
        self.gamma = gamma

    def _forward(self, x: Tensor) -> Tensor:
        curve = x.clamp(min=TOE) ** self.gamma
        return torch.where(x > TOE, curve, TOE ** (self.gamma - 1) * x)

    def vjp(self, x: Tensor, v: Tensor) -> Tensor:
        slope = self.gamma * x.clamp(min=TOE) ** (self.gamma - 1)
        slope = torch.where(x > TOE, slope, TOE ** (self.gamma - 1))
        return slope * self._checked(v, self.out_shape, "output")
