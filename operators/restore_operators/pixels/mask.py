"""Masks: what was not measured is zero."""

import math
from collections.abc import Sequence
from functools import cached_property

import torch
from torch import Tensor

from restore.measurement.checks import array_of, real_number, whole_number

from .diagonal import Diagonal


class Mask(Diagonal):
    """y = m x, elementwise.

    mask: 1 where measured and 0 where missing, or any weights, real or complex; broadcastable
        to in_shape, which is its own shape by default.
    """

    def __init__(self, mask: Tensor, in_shape: Sequence[int] | None = None):
        mask = array_of(mask, "a mask")
        in_shape = tuple(mask.shape if in_shape is None else in_shape)
        if not _fits(mask.shape, in_shape):
            raise ValueError(
                f"a mask of {tuple(mask.shape)} does not broadcast to a signal of {in_shape}"
            )
        if not mask.isfinite().all():
            raise ValueError("the mask holds values that are not finite")
        super().__init__(in_shape, in_shape)
        if not (mask.is_floating_point() or mask.is_complex()):
            mask = mask.to(torch.get_default_dtype())
        self.mask = mask.detach().clone()

    def _forward(self, x: Tensor) -> Tensor:
        return self._like("mask", x) * x

    def _adjoint(self, y: Tensor) -> Tensor:
        return self._like("mask", y).conj() * y

    @cached_property
    def gains(self) -> Tensor:
        return self.mask.abs().double().square()


def random_mask(shape: Sequence[int], missing: float, seed: int = 0) -> Tensor:
    """A mask of `shape` that misses exactly the nearest share to `missing`, at random places.

    missing: a share in [0, 1].
    """
    if not 0 <= real_number(missing, "the missing share") <= 1:
        raise ValueError(f"the missing share must be in [0, 1], got {missing}")
    size = math.prod(shape)
    generator = torch.Generator().manual_seed(whole_number(seed, "seed"))
    order = torch.randperm(size, generator=generator)
    mask = torch.ones(size)
    mask[order[: round(missing * size)]] = 0
    return mask.reshape(*shape)


def box_mask(shape: Sequence[int], box: tuple[int, int, int, int]) -> Tensor:
    """A mask of `shape`, (..., height, width), that misses the box (y, x, height, width)."""
    top, left, height, width = box
    inside = 0 <= top < top + height <= shape[-2] and 0 <= left < left + width <= shape[-1]
    if not inside:
        raise ValueError(
            f"the box y={top}, x={left}, {height}x{width} does not lie inside an image of "
            f"{shape[-2]}x{shape[-1]}"
        )
    mask = torch.ones(*shape)
    mask[..., top : top + height, left : left + width] = 0
    return mask


def _fits(shape: Sequence[int], target: Sequence[int]) -> bool:
    if len(shape) > len(target):
        return False
    tail = target[len(target) - len(shape) :]
    return all(n in (1, m) for n, m in zip(shape, tail, strict=True))
