"""The middle of k-space, fully measured: where it is, and the data in it."""

from collections.abc import Sequence

import torch
from torch import Tensor


def calibration_region(
    mask: Tensor, *, largest: int | None = None, least: int = 2
) -> tuple[int, int]:
    """(height, width) of the largest box around the middle (n // 2) that was fully measured.

    mask: (ky, kx) or (slice, ky, kx), bool; what all slices have in common counts. It grows by
    turns along both axes, each to `largest` at most. A box of n samples runs from
    size // 2 - n // 2. ValueError where it is smaller than `least` along an axis.
    """
    mask = mask.bool() if mask.ndim == 2 else mask.bool().all(0)
    limits = [n if largest is None else min(n, largest) for n in mask.shape]
    box = [0, 0]
    growing = [0, 1]
    while growing:
        for axis in tuple(growing):
            wider = [max(1, n) for n in box]
            wider[axis] = box[axis] + 1
            if wider[axis] <= limits[axis] and middle(mask, wider).all():
                box = wider
            else:
                growing.remove(axis)
    if min(box) < least:
        raise ValueError(
            f"no calibration lines: the middle of k-space was measured fully on {box[0]}x{box[1]} "
            f"samples, and {least}x{least} are needed"
        )
    return box[0], box[1]


def calibration_data(
    kspace: Tensor, mask: Tensor | None = None, *, largest: int | None = None, least: int = 2
) -> Tensor:
    """The calibration region of (..., ky, kx) -> (..., height, width); mask None: all measured."""
    if mask is None:
        mask = torch.ones(kspace.shape[-2:], dtype=torch.bool)
    if mask.shape[-2:] != kspace.shape[-2:]:
        raise ValueError(
            f"a mask of {tuple(mask.shape)} does not fit k-space of {tuple(kspace.shape)}"
        )
    return middle(kspace, calibration_region(mask, largest=largest, least=least))


def middle(value: Tensor, size: Sequence[int]) -> Tensor:
    """The middle of the last two axes: the index n // 2 becomes size // 2."""
    for axis, n in zip((-2, -1), size, strict=True):
        value = value.narrow(axis, value.shape[axis] // 2 - n // 2, n)
    return value
