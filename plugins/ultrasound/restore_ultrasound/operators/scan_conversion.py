"""Scan conversion: lines of a probe onto the pixels of a screen, and the way back."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from restore.measurement.operator import LinearOperator


@dataclass(frozen=True)
class Sector:
    """Lines at angles first to last (radians, 0 straight down), sampled from radius near to far.

    near: 0 of a phased array, whose lines meet at its middle; the radius of a curved one. In any
    unit of length.
    """

    first: float
    last: float
    near: float
    far: float

    def __post_init__(self):
        if not (-math.pi / 2 < self.first < self.last < math.pi / 2):
            raise ValueError(f"angles go from {self.first} to {self.last}: rising, within +-pi/2")
        if not 0 <= self.near < self.far:
            raise ValueError(f"radii go from {self.near} to {self.far}: rising, not negative")

    @property
    def frame(self) -> tuple[float, float, float, float]:
        """Top, bottom, left and right of the sector's bounding box; the apex is at (0, 0)."""
        sides = (math.sin(self.first), math.sin(self.last))
        angles = (self.first, self.last)
        top = self.near * min(math.cos(a) for a in angles)
        bottom = self.far * (1 if self.first < 0 < self.last else max(map(math.cos, angles)))
        return (
            top,
            bottom,
            min(r * sides[0] for r in (self.near, self.far)),
            max(r * sides[1] for r in (self.near, self.far)),
        )


class ScanConversion(LinearOperator):
    """y = B x: (1, depth, lines) of a sector -> (1, rows, columns), bilinear between four samples.

    Pixels lie evenly in the sector's frame, the first and last on its edges. Outside the sector y
    is 0, and B^T takes nothing from there. `inverse` is the way back.
    """

    def __init__(self, sector: Sector, polar: Sequence[int], screen: Sequence[int]):
        super().__init__((1, *polar), (1, *screen))
        depth, lines = polar
        top, bottom, left, right = sector.frame
        z = torch.linspace(top, bottom, screen[0], dtype=torch.float64)[:, None]
        x = torch.linspace(left, right, screen[1], dtype=torch.float64)[None]
        radius = (z.square() + x.square()).sqrt()
        row = (radius - sector.near) / (sector.far - sector.near) * (depth - 1)
        column = (torch.atan2(x, z) - sector.first) / (sector.last - sector.first) * (lines - 1)
        edge = 1e-9  # samples: rounding must not lose the frame's own edges
        inside = (row >= -edge) & (row <= depth - 1 + edge)
        inside &= (column >= -edge) & (column <= lines - 1 + edge)
        self.inside = inside  # (rows, columns), bool
        self.pixels = inside.flatten().nonzero()[:, 0]
        self.places, self.weights = _corners(row[inside], column[inside], depth, lines)

    def _forward(self, x: Tensor) -> Tensor:
        taken = x.flatten(1)[:, self._like("places", x)] * self._like("weights", x)
        y = x.new_zeros(len(x), self.inside.numel())
        y[:, self._like("pixels", x)] = taken.sum(-1)
        return y.reshape(len(x), *self.out_shape)

    def _adjoint(self, y: Tensor) -> Tensor:
        seen = y.flatten(1)[:, self._like("pixels", y), None] * self._like("weights", y)
        x = y.new_zeros(len(y), math.prod(self.in_shape))
        x.index_add_(1, self._like("places", y).flatten(), seen.flatten(1))
        return x.reshape(len(y), *self.in_shape)

    def inverse(self, y: Tensor, shift: float = 1e-3) -> Tensor:
        """The lines that a screen shows, argmin |y - B x|^2 + shift |x - s|^2, by B's own adjoint.

        s is each sample's nearest answer, B^T y / B^T 1: what no pixel sees follows it, 0 where
        nothing near is seen. (batch, 1, rows, columns) -> (batch, 1, depth, lines).
        """
        y = self._checked(y, self.out_shape, "output")
        seen = self._adjoint(torch.ones_like(y[:1]))
        start = self._adjoint(y) / seen.clamp_min(1e-6)
        return start + self.solve_normal(self._adjoint(y - self._forward(start)), shift)


def _corners(row: Tensor, column: Tensor, depth: int, lines: int) -> tuple[Tensor, Tensor]:
    """Places (pixels, 4) in the flat polar grid, and their bilinear weights, 1 in all."""
    top = row.floor().clamp(0, max(depth - 2, 0)).long()
    left = column.floor().clamp(0, max(lines - 2, 0)).long()
    down, right = (row - top).clamp(0, 1), (column - left).clamp(0, 1)
    below, beside = (top + 1).clamp(max=depth - 1), (left + 1).clamp(max=lines - 1)
    places = [
        top * lines + left,
        top * lines + beside,
        below * lines + left,
        below * lines + beside,
    ]
    weights = [(1 - down) * (1 - right), (1 - down) * right, down * (1 - right), down * right]
    return torch.stack(places, -1), torch.stack(weights, -1)
