"""Noise made white: weights 1 / std before an operator, for noise that differs between values."""

import torch
from torch import Tensor

from .noise import Gaussian
from .operator import LinearOperator
from .spectral import Spectral


class Whitened(LinearOperator):
    """diag(1 / std) A, whose measurement whiten(y) has noise of std 1.

    noise: one that has a density; see `Measurement.with_density`.
    """

    def __init__(self, operator: LinearOperator, noise: Gaussian):
        super().__init__(operator.in_shape, operator.out_shape)
        self.operator, self.noise = operator, noise

    def _forward(self, x: Tensor) -> Tensor:
        return self.noise.whiten(self.operator(x))

    def _adjoint(self, y: Tensor) -> Tensor:
        return self.operator.adjoint(self.noise.whiten(y))

    def svd(self) -> Spectral | None:
        """V = I where A^H diag(1 / std^2) A is diagonal, as for masks; None elsewhere."""
        gains = self.gains()
        if gains is None:
            return None
        values = gains.sqrt()[0]
        inverse = torch.where(values > 0, 1 / values, 0)
        return Spectral(
            values=values,
            to_signal=_same,
            from_signal=_same,
            from_measurement=lambda y: inverse.to(y.device, y.real.dtype) * self.adjoint(y),
        )

    def gains(self, observations: int = 1) -> Tensor | None:
        """The diagonal of A^H diag(1 / std^2) A, (observations, *in_shape); None if it has more.

        A probe tells: where it is diagonal the columns of A share no measured number. float64.
        """
        x = torch.randn(
            1, *self.in_shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64
        ).expand(observations, *self.in_shape)
        gains = self.normal(torch.ones_like(x))
        if not torch.allclose(self.normal(x), gains * x, rtol=1e-9, atol=0):
            return None
        return gains.clamp(min=0)

    def select(self, start: int, stop: int) -> "Whitened":
        return Whitened(self.operator.select(start, stop), self.noise.select(start, stop))


def _same(x: Tensor) -> Tensor:
    return x
