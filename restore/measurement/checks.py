"""What operators are handed, checked and told in words."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from .signal import column


def sizes(shape: Sequence[int | None]) -> str:
    """A shape in words: 3x64x64, scalar where it has no axis, any where a size is None."""
    return "x".join("any" if n is None else str(n) for n in shape) or "scalar"


def checked_shift(shift: float | Tensor, like: Tensor, operator: object) -> float | Tensor:
    """A number, or a column that multiplies `like`; ValueError unless positive and finite.

    Values on a GPU are not looked at: that would stall it.
    """
    if isinstance(shift, Tensor):
        right = shift.numel() in (1, len(like))
        if right and shift.device.type == "cpu":
            right = bool(((shift > 0) & (shift < math.inf)).all())
    else:
        right = 0 < shift < math.inf
    if not right:
        raise ValueError(
            f"{operator}: a shift is positive and finite, a number or one for each of "
            f"{len(like)} signals, got {shift}"
        )
    return shift_column(shift, like)


def shift_column(shift: float | Tensor, like: Tensor) -> float | Tensor:
    """A shift as a number, or a tensor of (batch,) as a column in the precision of `like`."""
    if isinstance(shift, Tensor):
        real = torch.float64 if is_double(like) else torch.float32
        return column(shift.to(like.device, real), like)
    return float(shift)


def is_double(x: Tensor) -> bool:
    return x.dtype in (torch.float64, torch.complex128)
