"""What operators, laws and runs are handed, checked and told in words."""

import math
from collections.abc import Sequence
from operator import index
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .signal import column


def sizes(shape: Sequence[int | None]) -> str:
    """A shape in words: 3x64x64, scalar where it has no axis, any where a size is None."""
    return "x".join("any" if n is None else str(n) for n in shape) or "scalar"


def shown(value: Any) -> str:
    """A value and its kind, for an error: float 3.0, NoneType, uint8 array of 4x4."""
    kind = type(value).__name__
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        dtype = str(value.dtype).removeprefix("torch.")
        return f"{kind} of {dtype}, {sizes(tuple(value.shape))}"
    words = " ".join(repr(value).split())
    return kind if value is None or len(words) > 60 else f"{kind} {words}"


def whole_number(value: Any, name: str, least: int | None = None) -> int:
    """The value as an int, of any library's integers; ValueError below `least`.

    TypeError for what is none: None, True, and 3.0, too.
    """
    try:
        found = None if type(value).__name__ in ("bool", "bool_") else index(value)
    except TypeError:
        found = None
    if found is None:
        raise TypeError(f"{name} must be a whole number, got {shown(value)}")
    if least is not None and found < least:
        raise ValueError(f"{name} must be at least {least}, got {found}")
    return found


def real_number(value: Any, name: str) -> float:
    """The value as a float, of any library's numbers. TypeError for text, truths and None."""
    refused = isinstance(value, (str, bytes)) or type(value).__name__ in ("bool", "bool_")
    try:
        return float(None if refused else value)
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(f"{name} must be a number, got {shown(value)}") from None


def real_numbers(value: Any, name: str) -> Tensor:
    """The value, a number or an array of them, in float64. TypeError for what holds none."""
    if isinstance(value, (Tensor, np.ndarray, list, tuple)):
        try:
            return torch.as_tensor(value, dtype=torch.float64)
        except (TypeError, ValueError, RuntimeError):
            raise TypeError(f"{name} must hold numbers, got {shown(value)}") from None
    return torch.tensor(real_number(value, name), dtype=torch.float64)


def array_of(value: Any, name: str) -> Tensor:
    """The value, an array of any library, in its own type. TypeError for what is none."""
    try:
        return torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(f"{name} must be an array of numbers, got {shown(value)}") from None


def signal_tensor(value: Any, name: str) -> Tensor:
    """The tensor itself. TypeError for another kind of array and for whole numbers.

    Integers are the values of a file, 0 to 255 say, and not yet a signal in its prior's units.
    """
    if not isinstance(value, Tensor):
        hint = "; torch.from_numpy makes one of it" if hasattr(value, "__array__") else ""
        raise TypeError(f"{name} must be a torch tensor, got {shown(value)}{hint}")
    if not (value.is_floating_point() or value.is_complex()):
        hint = "; pixels of 0 to 255 are y / 255" if value.dtype == torch.uint8 else ""
        raise TypeError(
            f"{name} must hold floating-point numbers in the signal's units, got {shown(value)}"
            f"{hint}"
        )
    return value


def checked_batch(value: Any, shape: tuple[int, ...], operator: object, side: str) -> Tensor:
    """The tensor itself, of (batch, *shape); TypeError or ValueError that name the operator."""
    if not isinstance(value, Tensor) or not (value.is_floating_point() or value.is_complex()):
        signal_tensor(value, f"{operator}: the {side}")
    if tuple(value.shape[1:]) != shape or value.ndim != len(shape) + 1:
        raise ValueError(
            f"{operator}: the {side} must be a batch of {sizes(shape)}, got {sizes(value.shape)}"
        )
    return value


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
