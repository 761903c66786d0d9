"""Channels chosen out of a signal, and real channels as complex numbers."""

from collections.abc import Sequence
from functools import cached_property

import torch
from torch import Tensor

from .diagonal import Diagonal, Unitary


class Take(Diagonal):
    """Channels start to stop; (channels, *rest) -> (stop - start, *rest).

    For joint priors: A @ Take(shape, 0, 1) + Take(shape, 1, 2) measures A x plus structure h.
    """

    def __init__(self, in_shape: Sequence[int], start: int, stop: int):
        if not 0 <= start < stop <= in_shape[0]:
            raise ValueError(
                f"channels {start} to {stop} are not among the {in_shape[0]} there are"
            )
        super().__init__(in_shape, (stop - start, *in_shape[1:]))
        self.start, self.stop = start, stop

    def _forward(self, x: Tensor) -> Tensor:
        return x[:, self.start : self.stop]

    def _adjoint(self, y: Tensor) -> Tensor:
        x = y.new_zeros(len(y), *self.in_shape)
        x[:, self.start : self.stop] = y
        return x

    @cached_property
    def gains(self) -> Tensor:
        gains = torch.zeros(self.in_shape[0], *(1,) * (len(self.in_shape) - 1))
        gains[self.start : self.stop] = 1
        return gains


class ChannelsToComplex(Unitary):
    """y_c = x_c + i x_(c+n); (2 n, *rest), real -> (n, *rest), complex.

    It stands at the right end of an operator on complex signals, whose prior sees two real
    channels, and keeps Re<a, b>.
    """

    def __init__(self, in_shape: Sequence[int]):
        if not in_shape or in_shape[0] % 2:
            raise ValueError(
                f"complex numbers are made of pairs of channels, got {tuple(in_shape)}"
            )
        super().__init__(in_shape, (in_shape[0] // 2, *in_shape[1:]))

    def _forward(self, x: Tensor) -> Tensor:
        return torch.complex(*x.chunk(2, 1))

    def _adjoint(self, y: Tensor) -> Tensor:
        return torch.cat([y.real, y.imag], 1)
