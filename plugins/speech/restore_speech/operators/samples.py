"""What acts on each sample by itself: gaps, and a gain."""

from functools import cached_property

import torch
from restore_operators import Identity
from restore_operators.pixels.diagonal import Diagonal
from torch import Tensor

from restore.measurement.operator import LinearOperator


class Gaps(Diagonal):
    """y = x where a sample was kept, 0 where it was lost; (1, samples) -> the same.

    kept: bool, (samples,) or (1, samples). ValueError where it has another shape or is not bool.
    """

    def __init__(self, kept: Tensor):
        kept = torch.as_tensor(kept)
        if (
            kept.dtype != torch.bool
            or kept.ndim not in (1, 2)
            or len(kept[None].flatten(0, -2)) > 1
        ):
            raise ValueError(f"kept is bool, (samples,), got {kept.dtype} of {tuple(kept.shape)}")
        self.kept = kept.reshape(1, -1).clone()
        super().__init__(self.kept.shape, self.kept.shape)

    def _forward(self, x: Tensor) -> Tensor:
        return self._like("kept", x) * x

    def _adjoint(self, y: Tensor) -> Tensor:
        return self._like("kept", y) * y

    @cached_property
    def gains(self) -> Tensor:
        return self.kept.double()


def gain(decibels: float, length: int) -> LinearOperator:
    """y = 10^(decibels / 20) x, for waveforms (1, length)."""
    return 10 ** (decibels / 20) * Identity((1, length))
