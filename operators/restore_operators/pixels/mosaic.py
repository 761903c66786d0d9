"""Bayer mosaic: a sensor sees one colour a pixel (B. E. Bayer, US patent 3971065, 1976)."""

from collections.abc import Sequence
from functools import cached_property

import torch
from torch import Tensor

from .diagonal import Diagonal

PATTERNS = ("RGGB", "BGGR", "GRBG", "GBRG")


class Bayer(Diagonal):
    """y = sum_c m_c x_c; (3, height, width) -> (1, height, width).

    pattern: the colours of the top left 2x2 pixels, row by row: RGGB, BGGR, GRBG or GBRG.
    """

    def __init__(self, in_shape: Sequence[int], pattern: str = "RGGB"):
        if len(in_shape) != 3 or in_shape[0] != 3:
            raise ValueError(f"a mosaic is made of (3, height, width), got {tuple(in_shape)}")
        if pattern not in PATTERNS:
            raise ValueError(
                f"no Bayer pattern is called {pattern!r}; known: {', '.join(PATTERNS)}"
            )
        _, height, width = in_shape
        super().__init__(in_shape, (1, height, width))
        tile = torch.tensor(["RGB".index(colour) for colour in pattern]).reshape(2, 2)
        seen = tile.repeat(-(-height // 2), -(-width // 2))[:height, :width]
        self.masks = torch.stack([seen == colour for colour in range(3)]).float()

    def _forward(self, x: Tensor) -> Tensor:
        return (self._like("masks", x) * x).sum(1, keepdim=True)

    def _adjoint(self, y: Tensor) -> Tensor:
        return self._like("masks", y) * y

    @cached_property
    def gains(self) -> Tensor:
        return self.masks
