"""Sums of images along straight lines: what parallel and fan beams share."""

import math
from abc import abstractmethod
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from restore.measurement.operator import LinearOperator
from restore.measurement.signal import norm

from .folding import Folding, fold
from .line_sums import LineSums
from .lines import Lines
from .projection_matrix import ProjectionMatrix, shared_matrix

MATRIX_LIMIT = 2**30  # bytes
PITCH, PIXEL = "the pitch of the detector", "the size of a pixel"
SINGLE = torch.finfo(torch.float32).eps
BYTES_AN_ENTRY = 16  # an index and a weight, once by rows and once by columns


class Projector(LinearOperator):
    """y[view, bin] = integral of x along a line; (..., height, width) -> (..., views, bins).

    Leading axes (channels, slices) are independent of each other. Weights are Joseph's: linear
    interpolation between the two pixels next to the line, in each column or row that it crosses.
    On a CPU they make one sparse matrix, folded by symmetry and built when first used; on a GPU,
    or where the matrix would take more than `memory_limit` bytes, they are computed on the way.
    Both directions have the same weights, so the adjoint is exact.
    """

    def __init__(
        self,
        in_shape: Sequence[int],
        angles: Tensor | Sequence[float],
        bins: int,
        *,
        pitch: float,
        offset: float,
        pixel: float,
        memory_limit: int,
    ):
        self.angles = checked_angles(angles)
        self.cosines, self.sines = torch.cos(self.angles)[:, None], torch.sin(self.angles)[:, None]
        if len(in_shape) < 2 or min(in_shape) < 1:
            raise ValueError(f"images are (..., height, width), got {tuple(in_shape)}")
        if bins != int(bins) or bins < 1:
            raise ValueError(f"a detector has a whole number of bins, at least 1, got {bins}")
        super().__init__(in_shape, (*in_shape[:-2], len(self.angles), bins))
        self.height, self.width = self.in_shape[-2:]
        self.bins, self.memory_limit = int(bins), memory_limit
        self.pitch = positive(pitch, PITCH)
        self.pixel = positive(pixel, PIXEL)
        self.offset = float(offset)
        if not abs(self.offset) < float("inf"):
            raise ValueError(f"the offset of the detector must be finite, got {offset}")

    @property
    @abstractmethod
    def lines(self) -> Lines:
        """Every ray, in pixels; (views * bins,), views first."""

    @property
    @abstractmethod
    def reach(self) -> float:
        """The most bins from its shadow at which a pixel has weight, in any view."""

    @property
    @abstractmethod
    def geometry(self) -> tuple:
        """All that the weights depend on besides angles and image, hashable."""

    @abstractmethod
    def shadow(self, views: slice, x: Tensor, y: Tensor) -> Tensor:
        """The bin, with its fraction, that the shadow of a point falls on.

        x, y: (points,), mm from the axis to the right and upwards -> (views, points).
        """

    @property
    @abstractmethod
    def fbp_weights(self) -> Tensor:
        """What `fbp` weights each ray with before it filters; broadcasts to (views, bins)."""

    @property
    @abstractmethod
    def fbp_kernel(self) -> Tensor:
        """The ramp along the detector; (2 bins - 1,)."""

    @abstractmethod
    def fbp_fading(self, views: slice, x: Tensor, y: Tensor) -> Tensor | float:
        """What a pixel weights each view with; x, y as for `shadow` -> (views, points)."""

    @abstractmethod
    def of_views(self, indices: Tensor | Sequence[int]) -> "Projector":
        """The operator of some of the views, for ordered subsets."""

    @property
    def positions(self) -> Tensor:
        """s_j = (j - (bins - 1) / 2) pitch + offset, in mm along the detector; (bins,), float64."""
        middle = (self.bins - 1) / 2
        return (torch.arange(self.bins, dtype=torch.float64) - middle) * self.pitch + self.offset

    @property
    def matrix_bytes(self) -> int:
        """The memory of the matrix with both directions in use, in single precision."""
        return BYTES_AN_ENTRY * self.folding.entries

    def norm(self, steps: int = 100) -> float:
        """By power iteration from an image of ones, until a step brings less than a millionth.

        No weight is negative, so neither is the first singular vector (Perron and Frobenius).
        """
        if "norm" not in self._moved:
            x, value = torch.ones(1, self.height, self.width), 0.0
            for _ in range(steps):
                x = self._way(x).normal(x / norm(x))
                before, value = value, norm(x).item() ** 0.5
                if value - before <= 1e-6 * value:
                    break
            self._moved["norm"] = value * self.pixel
        return self._moved["norm"]

    @cached_property
    def folding(self) -> Folding:
        return fold(self.lines, self.height, self.width)

    @cached_property
    def line_sums(self) -> LineSums:
        return LineSums(
            self.lines,
            self.height,
            self.width,
            self.bins,
            pixel=self.pixel,
            reach=self.reach,
            shadow=self.shadow,
        )

    def _forward(self, x: Tensor) -> Tensor:
        return _Pair.apply(x, self._project, self._backproject)

    def _adjoint(self, y: Tensor) -> Tensor:
        return _Pair.apply(y, self._backproject, self._project)

    def _normal(self, x: Tensor) -> Tensor:
        return _Pair.apply(x, self._there_and_back, self._there_and_back)

    def _project(self, x: Tensor) -> Tensor:
        return self._through(self._way(x).forward, x, self.out_shape) * self.pixel

    def _backproject(self, y: Tensor) -> Tensor:
        return self._through(self._way(y).adjoint, y, self.in_shape) * self.pixel

    def _there_and_back(self, x: Tensor) -> Tensor:
        return self._through(self._way(x).normal, x, self.in_shape) * self.pixel**2

    def _way(self, value: Tensor) -> ProjectionMatrix | LineSums:
        fits = value.device.type == "cpu" and self.matrix_bytes <= self.memory_limit
        return self._matrix(value) if fits else self.line_sums

    def _matrix(self, value: Tensor) -> ProjectionMatrix:
        dtype = torch.float64 if value.dtype == torch.float64 else torch.float32
        if dtype not in self._moved:
            size, angles = (self.height, self.width), tuple(self.angles.tolist())
            key = (type(self), *size, self.bins, angles, *self.geometry, dtype)
            self._moved[dtype] = shared_matrix(key, self.folding, *size, dtype)
        return self._moved[dtype]

    def _through(self, way: Callable, value: Tensor, shape: Sequence[int]) -> Tensor:
        """With leading axes in the batch, and in single precision at least."""
        if not value.is_floating_point():
            raise TypeError(f"{self}: takes real signals, got {value.dtype}")
        exact = value if value.dtype == torch.float64 else value.float()
        found = way(exact.reshape(-1, *value.shape[-2:]))
        return found.reshape(len(value), *shape).to(value.dtype)


class _Pair(torch.autograd.Function):
    """A product whose derivative is its adjoint, as often as one likes."""

    @staticmethod
    def forward(ctx, value: Tensor, way: Callable, back: Callable) -> Tensor:
        ctx.way, ctx.back = way, back
        return way(value)

    @staticmethod
    def backward(ctx, gradient: Tensor):
        return _Pair.apply(gradient, ctx.back, ctx.way), None, None


def positive(value: float, what: str) -> float:
    if not 0 < value < float("inf"):
        raise ValueError(f"{what} must be positive, got {value}")
    return float(value)


def checked_angles(angles: Tensor | Sequence[float]) -> Tensor:
    if angles is None:
        raise ValueError("the angles of the views are missing: one number a view, in radians")
    known = isinstance(angles, Tensor | np.ndarray)  # a list holds double precision
    given = torch.as_tensor(angles, dtype=None if known else torch.float64).detach().cpu()
    angles = given.to(torch.float64, copy=True)
    if angles.ndim != 1 or not len(angles):
        raise ValueError(f"angles are one number a view, in radians, got {tuple(angles.shape)}")
    if not angles.isfinite().all():
        raise ValueError("the angles hold values that are not finite")
    return angles if given.dtype == torch.float64 else _exact(angles)


def _exact(angles: Tensor) -> Tensor:
    """Angles rounded to single precision, as the fraction of pi that they are likely to mean.

    No angle moves by more than its own rounding; mirror images of a view become exact again.
    """
    turns = (angles / math.pi).tolist()
    means = [float(Fraction(turn).limit_denominator(4096)) for turn in turns]
    near = [abs(m - t) <= SINGLE * abs(t) for m, t in zip(means, turns, strict=True)]
    return torch.where(
        torch.tensor(near), torch.tensor(means, dtype=angles.dtype) * math.pi, angles
    )
