"""Operators with a diagonal A^H A: everything about them is closed. The identity is the first."""

from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property

import torch
from torch import Tensor

from restore.measurement.operator import LinearOperator
from restore.measurement.spectral import Spectral


class Diagonal(LinearOperator):
    """A with A^H A = diag(gains)."""

    @cached_property
    @abstractmethod
    def gains(self) -> Tensor:
        """The diagonal of A^H A, broadcastable to the signal; real, >= 0."""

    def _normal(self, x: Tensor) -> Tensor:
        return self._like("gains", x) * x

    def _solve_normal(self, b: Tensor, shift: float | Tensor, start: Tensor | None) -> Tensor:
        return b / (self._like("gains", b) + shift)

    def norm(self, steps: int = 100) -> float:
        return self.gains.max().item() ** 0.5

    @cached_property
    def inverse_values(self) -> Tensor:
        """The pseudo-inverse of the singular values."""
        return torch.where(self.gains > 0, self.gains.rsqrt(), 0)

    def svd(self) -> Spectral:
        """V = I, U = A diag(1 / values)."""
        return Spectral(
            values=self.gains.double().sqrt(),
            to_signal=_same,
            from_signal=_same,
            from_measurement=lambda y: self._like("inverse_values", y) * self.adjoint(y),
        )


class Unitary(Diagonal):
    """A^H A = A A^H = I."""

    unitary = True

    @cached_property
    def gains(self) -> Tensor:
        return torch.ones(())

    def _normal(self, x: Tensor) -> Tensor:
        return x


class Identity(Unitary):
    """y = x: denoising."""

    def __init__(self, in_shape: Sequence[int]):
        super().__init__(in_shape, in_shape)

    def _forward(self, x: Tensor) -> Tensor:
        return x

    def _adjoint(self, y: Tensor) -> Tensor:
        return y


def _same(x: Tensor) -> Tensor:
    return x
