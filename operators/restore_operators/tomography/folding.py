"""Lines that are mirror images of each other: one row of a matrix serves up to eight of them.

The sum of an image along a line is the sum of the mirrored image along the mirrored line. So each
line is moved by the symmetries of the image's frame to where rows are few, and the matrix is
applied to the mirrored images at once, as columns.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .lines import Lines, march, spans

ANGLE, DISTANCE = 1e-11, 1e-9  # radians and pixels within which two lines are one


@dataclass(frozen=True, eq=False)
class Folding:
    """Which row and which mirrored image each line is.

    lines: one for each row. symmetries: of each column: 1 columns flipped, + 2 rows flipped,
    + 4 then mirrored on the anti-diagonal. index: (lines,), row * columns + column of each line.
    """

    lines: Lines
    symmetries: tuple[int, ...]
    index: Tensor
    entries: int  # upper limit of the non-zero elements of the matrix

    @property
    def cost(self) -> float:
        """The time of one product, in arbitrary units: the entries, times what a row has to do.

        A row has its overhead and its columns; a single column is simpler.
        """
        columns = len(self.symmetries)
        return self.entries * (3 if columns == 1 else 4 + columns)

    def mirrored(self, images: Tensor) -> Tensor:
        """(batch, height, width) -> (height * width, columns * batch)."""
        seen = torch.stack([_mirror(images, symmetry) for symmetry in self.symmetries])
        return seen.flatten(2).flatten(0, 1).T.contiguous()

    def gathered(self, columns: Tensor, height: int, width: int) -> Tensor:
        """The adjoint of `mirrored`; (height * width, columns * batch) -> (batch, ...)."""
        seen = columns.view(height, width, len(self.symmetries), -1).permute(2, 3, 0, 1)
        images = _unmirror(seen[0], self.symmetries[0]).contiguous()
        for image, symmetry in zip(seen[1:], self.symmetries[1:], strict=True):
            images += _unmirror(image, symmetry)
        return images


def fold(lines: Lines, height: int, width: int) -> Folding:
    """The cheapest of three: no folding, by mirrors, and by mirrors and the two ends of a line."""
    candidates = [_plain(lines, height, width)]
    candidates += [_folded(lines, height, width, turn) for turn in (False, True)]
    return min(candidates, key=lambda folding: folding.cost)


def _plain(lines: Lines, height: int, width: int) -> Folding:
    return Folding(lines, (0,), torch.arange(len(lines.cos)), _entries(lines, height, width))


def _folded(lines: Lines, height: int, width: int, turn: bool) -> Folding:
    """Move normals to [45, 90] degrees (a square image) or [0, 90]; turn: distances to >= 0."""
    cos, sin, distance = lines
    if turn:
        sign = np.where(distance < 0, -1.0, 1.0)
        cos, sin, distance = sign * cos, sign * sin, sign * distance
    symmetry = (cos < 0) + 2 * (sin < 0)
    cos, sin = np.abs(cos), np.abs(sin)
    if height == width:
        swap = cos > sin
        symmetry = symmetry + 4 * swap
        cos, sin = np.where(swap, sin, cos), np.where(swap, cos, sin)
    keys = np.rint(np.arctan2(cos, sin) / ANGLE), np.rint(distance / DISTANCE)
    order = np.lexsort(keys[::-1])
    new = np.concatenate([[True], (np.diff(keys[0][order]) != 0) | (np.diff(keys[1][order]) != 0)])
    row = np.empty(len(order), np.int64)
    row[order] = np.cumsum(new) - 1
    symmetries, column = np.unique(symmetry, return_inverse=True)
    rows = Lines(cos, sin, distance).take(order[new])
    index = torch.from_numpy(row * len(symmetries) + column)
    return Folding(rows, tuple(symmetries.tolist()), index, _entries(rows, height, width))


def _entries(lines: Lines, height: int, width: int) -> int:
    return 2 * int(spans(march(lines, height, width), height, width)[1].sum())


def _mirror(images: Tensor, symmetry: int) -> Tensor:
    images = images.flip(_flips(symmetry))
    return images.mT if symmetry & 4 else images


def _unmirror(images: Tensor, symmetry: int) -> Tensor:
    images = images.mT if symmetry & 4 else images
    return images.flip(_flips(symmetry))


def _flips(symmetry: int) -> list[int]:
    """A mirror on the anti-diagonal is both flips and a transposition."""
    bits = symmetry ^ 3 if symmetry & 4 else symmetry
    return [axis for bit, axis in ((1, -1), (2, -2)) if bits & bit]
