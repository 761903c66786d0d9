"""Lens shading: an operator, and the recipe that undoes it."""

import torch
from torch import Tensor

from restore import Gaussian, LinearOperator, Measurement, Recipe, Record, SamplerChoice, Task


class Vignette(LinearOperator):
    """y = (1 - strength r^2) x, r from 0 at the centre to 1 in the corners.

    in_shape: (channels, height, width).
    """

    def __init__(self, in_shape: tuple[int, ...], strength: float = 0.5):
        super().__init__(in_shape, in_shape)
        if not 0 <= strength < 1:
            raise ValueError(f"strength must be at least 0 and below 1, got {strength}")
        rows, columns = (torch.linspace(-1, 1, n, dtype=torch.float64) for n in in_shape[1:])
        self.light = 1 - strength * (rows[:, None] ** 2 + columns**2) / 2

    def _forward(self, x: Tensor) -> Tensor:
        return self.light.to(x) * x

    def _adjoint(self, y: Tensor) -> Tensor:
        return self.light.to(y) * y

    def _solve_normal(self, b: Tensor, shift: float | Tensor, start: Tensor | None) -> Tensor:
        return b / (self.light.to(b) ** 2 + shift)


def solve(record: Record, noise: float | None, *, strength: float = 0.5) -> Task:
    """Light back into the corners that a lens has darkened.

    strength: share of the light that the corners lost
    """
    if noise is None:
        raise ValueError("how noisy is the picture? give its noise, such as --noise 0.02")
    measurement = Measurement(record.signal, observe(record, strength=strength), Gaussian(noise))
    prior = "image-grey" if len(record.signal) == 1 else "image-colour"
    return Task(measurement, prior, SamplerChoice("pigdm", steps=30), record.with_signal)


def observe(record: Record, *, strength: float = 0.5) -> Vignette:
    """Darken the corners.

    strength: share of the light that the corners lose
    """
    return Vignette(tuple(record.signal.shape), strength)


def degraded(record: Record, operator: Vignette, y: Tensor) -> dict[str, Record]:
    return {"shaded": record.with_signal(y)}


unshade = Recipe(solve, observe, degraded)
