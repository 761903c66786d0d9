"""Straight lines through a grid of pixels, and the march along each of them (Joseph, 1982).

A line is the set of points p with p . e = distance, e = (cos, sin); x grows to the right and y
upwards, both in pixels from the middle of the image.
"""

from typing import NamedTuple

import numpy as np

ROUNDING = 1e-15  # of the cosine of a right angle


class Lines(NamedTuple):
    """Lines by their unit normals and their distances from the middle; each (lines,), float64."""

    cos: np.ndarray
    sin: np.ndarray
    distance: np.ndarray

    @classmethod
    def at(cls, angle: np.ndarray, distance: np.ndarray) -> "Lines":
        """The lines whose normals stand at these angles; the shapes broadcast."""
        cos, sin = np.cos(angle), np.sin(angle)
        cos[np.abs(cos) < ROUNDING] = 0
        sin[np.abs(sin) < ROUNDING] = 0
        whole = np.broadcast_arrays(cos, sin, distance)
        return cls(*(np.ascontiguousarray(part, np.float64).ravel() for part in whole))

    def take(self, which: np.ndarray) -> "Lines":
        return Lines(self.cos[which], self.sin[which], self.distance[which])


class March(NamedTuple):
    """Joseph's walk: step k of a line meets the pixels next to position intercept + slope k.

    A line within 45 degrees of the rows steps through the columns of the image and meets rows;
    any other steps through the rows and meets columns. A step counts for `length` pixels.
    """

    intercept: np.ndarray  # (lines,)
    slope: np.ndarray  # (lines,), in [-1, 1]
    length: np.ndarray  # (lines,), in [1, sqrt(2)]
    along_rows: np.ndarray  # (lines,), bool


def march(lines: Lines, height: int, width: int) -> March:
    cos, sin, distance = lines
    along_rows = np.abs(sin) >= np.abs(cos)
    steep = np.where(along_rows, sin, cos)
    middle_row, middle_column = (height - 1) / 2, (width - 1) / 2
    slope = np.where(along_rows, cos, sin) / steep
    intercept = np.where(
        along_rows,
        middle_row - distance / steep - slope * middle_column,
        middle_column + distance / steep - slope * middle_row,
    )
    return March(intercept, slope, 1 / np.abs(steep), along_rows)


def spans(walk: March, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """The first step of each line that meets the image, and how many do; both (lines,), int64."""
    steps = np.where(walk.along_rows, width, height)
    room = np.where(walk.along_rows, height, width)
    level = np.abs(walk.slope) < ROUNDING
    slope = np.where(level, 1, walk.slope)
    ends = np.stack([(-1 - walk.intercept) / slope, (room - walk.intercept) / slope])
    first = np.floor(ends.min(0)) + 1
    last = np.ceil(ends.max(0))
    inside = (walk.intercept > -1) & (walk.intercept < room)
    first = np.clip(np.where(level, 0, first), 0, steps)
    last = np.clip(np.where(level, np.where(inside, steps, 0), last), first, steps)
    return first.astype(np.int64), (last - first).astype(np.int64)
