"""The grid that priors see: frames of at most so many pixels a side, and the way back.

Priors were trained on frames made as small as this, and haze is no finer than speckle: what is
taken away is found there, brought back to the frame, and subtracted from it.
"""

import math

import torch.nn.functional as F
from torch import Tensor

SIDE = 256  # pixels at most


def grid_shape(size: tuple[int, int], side: int = SIDE) -> tuple[int, int]:
    """Rows and columns of the grid of a frame; ones longer than `side` get a whole factor less.

    Each axis has a factor of its own where the frame is of lines, which are sampled more finely in
    depth: the axes of such a frame differ too much for a common one.
    """
    rows, columns = (max(1, math.ceil(n / side)) for n in size)
    if max(rows, columns) < 4 * min(rows, columns):  # a picture: square pixels stay square
        rows = columns = max(rows, columns)
    return math.ceil(size[0] / rows), math.ceil(size[1] / columns)


def to_grid(frames: Tensor, side: int = SIDE) -> Tensor:
    """Means over the grid's cells; (batch, channels, rows, columns), at most `side` a side."""
    shape = grid_shape(tuple(frames.shape[-2:]), side)
    return F.adaptive_avg_pool2d(frames, shape)


def from_grid(values: Tensor, size: tuple[int, int]) -> Tensor:
    """Values of a grid at each pixel of frames of `size`, bilinear; (..., rows, columns)."""
    if tuple(values.shape[-2:]) == tuple(size):
        return values
    return F.interpolate(values, size, mode="bilinear", align_corners=False)
