"""What an image is taken to be beyond its edges, with the exact adjoint of each assumption."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from restore.measurement.operator import LinearOperator

BOUNDARIES = ("circular", "reflect", "replicate", "zero")


class Pad(LinearOperator):
    """An image with its surroundings; (channels, height, width) -> the same, larger.

    rows, columns: how many to add before and after; more than the image holds is allowed.
    boundary: circular (the opposite side), reflect (a mirror on the middle of the edge pixel,
        which is not repeated), replicate (the edge pixel) or zero.
    """

    def __init__(
        self,
        in_shape: Sequence[int],
        rows: tuple[int, int],
        columns: tuple[int, int],
        boundary: str = "circular",
    ):
        if boundary not in BOUNDARIES:
            raise ValueError(f"no boundary is called {boundary!r}; known: {', '.join(BOUNDARIES)}")
        if min(*rows, *columns) < 0:
            raise ValueError(f"padding cannot be negative, got rows {rows} and columns {columns}")
        channels, height, width = in_shape
        super().__init__(in_shape, (channels, height + sum(rows), width + sum(columns)))
        self.rows, self.columns, self.boundary = rows, columns, boundary
        self.above, self.below = _sources(height, rows, boundary)
        self.left, self.right = _sources(width, columns, boundary)

    def _forward(self, x: Tensor) -> Tensor:
        if self.boundary == "zero":
            return F.pad(x, (*self.columns, *self.rows))
        x = self._extended(x, "above", "below", -2)
        return self._extended(x, "left", "right", -1)

    def _adjoint(self, y: Tensor) -> Tensor:
        if self.boundary == "zero":
            _, height, width = self.in_shape
            y = y.narrow(-2, self.rows[0], height)
            return y.narrow(-1, self.columns[0], width)
        y = self._folded(y, "left", "right", -1)
        return self._folded(y, "above", "below", -2)

    def _extended(self, x: Tensor, before: str, after: str, axis: int) -> Tensor:
        strips = [x.index_select(axis, self._like(name, x)) for name in (before, after)]
        return torch.cat([strips[0], x, strips[1]], axis)

    def _folded(self, y: Tensor, before: str, after: str, axis: int) -> Tensor:
        """What was copied outwards comes back to where it was taken from."""
        first, last = self._like(before, y), self._like(after, y)
        size = y.shape[axis] - len(first) - len(last)
        inner = y.narrow(axis, len(first), size).clone()
        inner.index_add_(axis, first, y.narrow(axis, 0, len(first)))
        return inner.index_add_(axis, last, y.narrow(axis, len(first) + size, len(last)))


def _sources(size: int, counts: tuple[int, int], boundary: str) -> tuple[Tensor, Tensor]:
    """Which pixel each one before and after the image is taken from."""
    before, after = counts
    beyond = torch.cat([torch.arange(-before, 0), torch.arange(size, size + after)])
    if boundary == "circular":
        source = beyond % size
    elif boundary == "reflect":
        period = max(2 * (size - 1), 1)
        source = beyond % period
        source = torch.minimum(source, (period - source) % period)
    else:
        source = beyond.clamp(0, size - 1)
    return source[:before], source[before:]
