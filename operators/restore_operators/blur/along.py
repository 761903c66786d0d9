"""A matrix along one axis of a signal: thick slices of volumes, anything that acts line by line."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from restore.measurement.operator import LinearOperator
from restore.measurement.spectral import Spectral

from ..pixels.matrix import Matrix


class AlongAxis(LinearOperator):
    """y = M x along one axis; n becomes m there, all other axes stay.

    matrix: (m, n), real or complex. axis: of a signal, 1 for z of (channels, z, y, x).
    """

    def __init__(self, matrix: Tensor, in_shape: Sequence[int], axis: int):
        if not -len(in_shape) <= axis < len(in_shape):
            raise ValueError(f"axis {axis} is none of a signal of {tuple(in_shape)}")
        axis %= len(in_shape)
        rest = [n for i, n in enumerate(in_shape) if i != axis]
        self.inner = Matrix(matrix, (in_shape[axis], *rest))
        rest.insert(axis, self.inner.out_shape[0])
        super().__init__(in_shape, rest)
        self.axis = axis + 1

    def _forward(self, x: Tensor) -> Tensor:
        return self._through(self.inner, x)

    def _adjoint(self, y: Tensor) -> Tensor:
        return self._through(self.inner.adjoint, y)

    def _normal(self, x: Tensor) -> Tensor:
        return self._through(self.inner.normal, x)

    def _solve_normal(self, b: Tensor, shift: float | Tensor, start: Tensor | None) -> Tensor:
        return self._through(lambda z: self.inner.solve_normal(z, shift), b)

    def _tikhonov(self, y: Tensor, shift: float | Tensor) -> Tensor:
        return self._through(lambda z: self.inner.tikhonov(z, shift), y)

    def norm(self, steps: int = 100) -> float:
        return self.inner.norm()

    def svd(self) -> Spectral:
        inner = self.inner.svd()
        return replace(
            inner,
            to_signal=lambda c: inner.to_signal(c).movedim(1, self.axis),
            from_signal=lambda x: inner.from_signal(x.movedim(self.axis, 1)),
            from_measurement=lambda y: inner.from_measurement(y.movedim(self.axis, 1)),
        )

    def _through(self, act: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        return act(x.movedim(self.axis, 1)).movedim(1, self.axis)


def thick_slices(
    in_shape: Sequence[int], factor: int, axis: int = 1, profile: Tensor | None = None
) -> AlongAxis:
    """One slice in place of each `factor` thin ones, their mean; z-superresolution undoes it.

    profile: weights of the thin slices around a thick one's middle, (size,), normed here; a
    Gaussian one, say, for 2-D MRI. It is `factor` equal ones by default. At the ends it is cut off.
    ValueError where the factor does not divide the axis, or for a profile that is not positive.
    """
    n = in_shape[axis]
    if factor < 1 or n % factor:
        raise ValueError(f"slices of {factor} do not fit into an axis of {n}")
    profile = torch.ones(factor) if profile is None else torch.as_tensor(profile)
    if profile.ndim != 1 or not profile.sum() > 0 or (profile < 0).any():
        raise ValueError("a slice profile is (size,) weights, not negative and not all zero")
    first = torch.arange(n // factor)[:, None] * factor + (factor - len(profile)) // 2
    place = first + torch.arange(len(profile))
    inside = (place >= 0) & (place < n)
    weights = torch.where(inside, profile.double(), 0)
    matrix = torch.zeros(n // factor, n, dtype=torch.float64)
    matrix.scatter_add_(1, place.clamp(0, n - 1), weights)
    return AlongAxis(matrix / matrix.sum(1, keepdim=True), in_shape, axis)
