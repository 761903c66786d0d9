"""Descent towards the data, each chain on its own: Adam, and Morozov's rule for when to stop."""

import torch
from torch import Tensor

from ...measurement.measurement import Measurement
from ...measurement.noise import Gaussian


class Adam:
    """Kingma & Ba 2015, arXiv:1412.6980; steps of about `length` in every value.

    Without the paper's epsilon, which would tie it to the scale of the gradient.
    """

    def __init__(
        self,
        beta1: float = 0.9,
        beta2: float = 0.999,
        mean: float | Tensor = 0.0,
        power: float | Tensor = 0.0,
        count: int = 0,
    ):
        self.beta1, self.beta2 = beta1, beta2
        self.mean, self.power, self.count = mean, power, count

    @property
    def moments(self) -> tuple[float | Tensor, float | Tensor, int]:
        """What it has gathered, for another to go on with: the last of its arguments."""
        return self.mean, self.power, self.count

    def __call__(self, x: Tensor, gradient: Tensor, length: float) -> Tensor:
        """x, one step further down."""
        self.count += 1
        self.mean = self.beta1 * self.mean + (1 - self.beta1) * gradient
        self.power = self.beta2 * self.power + (1 - self.beta2) * gradient**2
        mean = self.mean / (1 - self.beta1**self.count)
        power = self.power / (1 - self.beta2**self.count)
        return x - length * mean / power.sqrt().clamp(min=torch.finfo(x.dtype).tiny)


def uphill(measurement: Measurement, x: Tensor) -> Tensor:
    """The gradient of -log p(y | x); without noise as if there were a thousandth of y."""
    return -measurement.with_density.score(x)


def fits(measurement: Measurement, x: Tensor) -> Tensor:
    """Whether |y - A(x)|^2 <= m std^2, the discrepancy principle of Morozov; (batch,), bool.

    Never for noise that is not Gaussian, of which it does not speak.
    """
    if not isinstance(measurement.noise, Gaussian):
        return torch.zeros(len(x), dtype=torch.bool, device=x.device)
    return measurement.chi_square(x) <= 1
