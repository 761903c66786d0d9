"""One matrix for the rows and one for the columns: y = R x C^T, closed through two small SVDs."""

from collections.abc import Sequence
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from restore.measurement.operator import LinearOperator
from restore.measurement.spectral import Spectral, dense

from .convolution import profiles, windowed


class Separable(LinearOperator):
    """y = R x C^T in each channel; (channels, height, width) -> (channels, m, n).

    rows: R, (m <= height, height). columns: C, (n <= width, width).
    The singular values of the whole are the products of those of R and C.
    """

    def __init__(self, in_shape: Sequence[int], rows: Tensor, columns: Tensor):
        super().__init__(in_shape, (in_shape[0], rows.shape[0], columns.shape[0]))
        self.rows, self.columns = rows, columns

    def _forward(self, x: Tensor) -> Tensor:
        return self._like("rows", x) @ x @ self._like("columns", x).T

    def _adjoint(self, y: Tensor) -> Tensor:
        return self._like("rows", y).T @ y @ self._like("columns", y)

    def _solve_normal(self, b: Tensor, shift: float | Tensor, start: Tensor | None) -> Tensor:
        power = self._like("values", b).square()
        return self._signal(self._coords(b) / (power + shift))

    def _tikhonov(self, y: Tensor, shift: float | Tensor) -> Tensor:
        values = self._like("values", y)
        gain = values / (values.square() + shift)
        return self._signal(gain * self._measured_coords(y))

    def solve_gram(self, y: Tensor, shift: float | Tensor) -> Tensor:
        """(A A^H + shift I)^-1 y: among measurements, which may be much smaller."""
        m, n = self.out_shape[1:]
        power = self._like("values", y)[:m, :n].square()
        rows, columns = self._like("row_images", y), self._like("column_images", y)
        coords = rows.T @ y @ columns / (power + shift)
        return rows @ coords @ columns.T

    def norm(self, steps: int = 100) -> float:
        return self.values.max().item()

    def svd(self) -> Spectral:
        return Spectral(
            values=self.values,
            to_signal=self._signal,
            from_signal=self._coords,
            from_measurement=self._measured_coords,
        )

    @cached_property
    def row_factors(self) -> tuple[Tensor, Tensor, Tensor]:
        """U, s, Vh of R, with the whole of V, in double precision."""
        return torch.linalg.svd(self.rows.double())

    @cached_property
    def column_factors(self) -> tuple[Tensor, Tensor, Tensor]:
        return torch.linalg.svd(self.columns.double())

    @cached_property
    def values(self) -> Tensor:
        """One for each element of a channel, zero in the null space; (height, width)."""
        s = self.row_factors[1][:, None] * self.column_factors[1]
        s = torch.where(s > s.max() * s.numel() * torch.finfo(s.dtype).eps, s, 0)
        return self._widened(s)

    @cached_property
    def row_basis(self) -> Tensor:
        return self.row_factors[2].T.contiguous()

    @cached_property
    def column_basis(self) -> Tensor:
        return self.column_factors[2].T.contiguous()

    @cached_property
    def row_images(self) -> Tensor:
        return self.row_factors[0]

    @cached_property
    def column_images(self) -> Tensor:
        return self.column_factors[0]

    def _signal(self, coords: Tensor) -> Tensor:
        return self._like("row_basis", coords) @ coords @ self._like("column_basis", coords).T

    def _coords(self, x: Tensor) -> Tensor:
        return self._like("row_basis", x).T @ x @ self._like("column_basis", x)

    def _measured_coords(self, y: Tensor) -> Tensor:
        coords = self._like("row_images", y).T @ y @ self._like("column_images", y)
        return self._widened(coords) * (self._like("values", y) > 0)

    def _widened(self, coords: Tensor) -> Tensor:
        _, height, width = self.in_shape
        return F.pad(coords, (0, width - self.columns.shape[0], 0, height - self.rows.shape[0]))


def separated(
    in_shape: Sequence[int],
    kernel: Tensor,
    starts: tuple[int, int],
    stride: tuple[int, int],
    boundary: str,
) -> Separable | None:
    """`windowed` as two matrices, for a kernel of rank one, else None."""
    factors = profiles(kernel)
    if factors is None:
        return None
    (_, height, width), (down, right) = in_shape, stride
    rows = windowed((1, height, 1), factors[0][:, None], (starts[0], 0), (down, 1), boundary)
    columns = windowed((1, 1, width), factors[1][None], (0, starts[1]), (1, right), boundary)
    return Separable(in_shape, dense(rows), dense(columns))
