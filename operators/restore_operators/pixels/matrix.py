"""Dense matrices along the first axis of a signal: any small operator, and mixing of channels."""

from collections.abc import Sequence
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from restore.measurement.operator import LinearOperator
from restore.measurement.spectral import Spectral

LUMA = (0.299, 0.587, 0.114)  # of red, green, blue: ITU-R BT.601


class Matrix(LinearOperator):
    """y = A x along the first axis; (columns, *rest) -> (rows, *rest).

    matrix: (rows, columns), real or complex; a complex one takes complex signals.
    in_shape: (columns,) by default; (channels, height, width) mixes channels.
    """

    def __init__(self, matrix: Tensor, in_shape: Sequence[int] | None = None):
        matrix = torch.as_tensor(matrix)
        if matrix.ndim != 2:
            raise ValueError(f"a matrix has two axes, got {matrix.ndim}: {tuple(matrix.shape)}")
        if not matrix.isfinite().all():
            raise ValueError("the matrix holds values that are not finite")
        in_shape = tuple(matrix.shape[1:] if in_shape is None else in_shape)
        if in_shape[:1] != tuple(matrix.shape[1:]):
            raise ValueError(
                f"a matrix of {matrix.shape[1]} columns does not act on axis 0 of {in_shape}"
            )
        super().__init__(in_shape, (matrix.shape[0], *in_shape[1:]))
        if not (matrix.is_floating_point() or matrix.is_complex()):
            matrix = matrix.to(torch.get_default_dtype())
        self.matrix = matrix.detach().clone()

    def _forward(self, x: Tensor) -> Tensor:
        return self._along("matrix", x)

    def _adjoint(self, y: Tensor) -> Tensor:
        return self._along("adjoint_matrix", y)

    def _normal(self, x: Tensor) -> Tensor:
        rows, columns = self.matrix.shape
        if 2 * rows < columns:  # two thin products are cheaper than one large one
            return super()._normal(x)
        return self._along("gram", x)

    def _solve_normal(self, b: Tensor, shift: float | Tensor, start: Tensor | None) -> Tensor:
        coords = self._along("Vh", b)
        x = self._along("V", coords / (self._column("s", b).square() + shift))
        if self.Vh.shape[0] == self.Vh.shape[1]:
            return x
        return x + (b - self._along("V", coords)) / shift

    def _tikhonov(self, y: Tensor, shift: float | Tensor) -> Tensor:
        gain = self._column("s", y) / (self._column("s", y).square() + shift)
        return self._along("V", gain * self._along("Uh", y))

    def norm(self, steps: int = 100) -> float:
        return self.s[0].item()

    def svd(self) -> Spectral:
        missing = self.matrix.shape[1] - len(self.s)
        return Spectral(
            values=F.pad(self.s, (0, missing)).reshape(-1, *(1,) * (len(self.in_shape) - 1)),
            to_signal=lambda c: self._along("whole_V", c),
            from_signal=lambda x: self._along("whole_Vh", x),
            from_measurement=lambda y: self._along("whole_Uh", y),
        )

    @cached_property
    def adjoint_matrix(self) -> Tensor:
        return self.matrix.mH.contiguous()

    @cached_property
    def gram(self) -> Tensor:
        """A^H A, in double precision."""
        matrix = self.double_matrix
        return matrix.mH @ matrix

    @cached_property
    def double_matrix(self) -> Tensor:
        return self.matrix.to(torch.complex128 if self.matrix.is_complex() else torch.float64)

    @cached_property
    def factors(self) -> tuple[Tensor, Tensor, Tensor]:
        """U, s, Vh of the thin decomposition, in double precision; s without rounding."""
        u, s, vh = torch.linalg.svd(self.double_matrix, full_matrices=False)
        rounding = torch.finfo(s.dtype).eps * max(self.matrix.shape) * s[0]
        return u, torch.where(s > rounding, s, 0), vh

    @cached_property
    def U(self) -> Tensor:
        return self.factors[0]

    @cached_property
    def Uh(self) -> Tensor:
        return self.U.mH.contiguous()

    @cached_property
    def s(self) -> Tensor:
        return self.factors[1]

    @cached_property
    def Vh(self) -> Tensor:
        return self.factors[2]

    @cached_property
    def V(self) -> Tensor:
        return self.Vh.mH.contiguous()

    @cached_property
    def whole_V(self) -> Tensor:
        """V with a basis of the null space of Vh behind it; (columns, columns)."""
        completed = torch.linalg.qr(self.V, mode="complete").Q
        return torch.cat([self.V, completed[:, len(self.s) :]], 1)

    @cached_property
    def whole_Vh(self) -> Tensor:
        return self.whole_V.mH.contiguous()

    @cached_property
    def whole_Uh(self) -> Tensor:
        """U^H, with zero rows where the value is zero; (columns, rows)."""
        uh = self.Uh * (self.s > 0)[:, None]
        return F.pad(uh, (0, 0, 0, self.matrix.shape[1] - len(self.s)))

    def _along(self, name: str, x: Tensor) -> Tensor:
        """The matrix called `name` times x along its first axis after the batch."""
        matrix = self._like(name, x)
        if matrix.is_complex() and not x.is_complex():
            raise TypeError(f"{self}: a complex matrix takes complex signals, got {x.dtype}")
        return torch.einsum("rc,bc...->br...", matrix.to(x.dtype), x)

    def _column(self, name: str, like: Tensor) -> Tensor:
        return self._like(name, like).reshape(-1, *(1,) * (like.ndim - 2))


def grey(in_shape: Sequence[int]) -> Matrix:
    """Colour to luma; (3, height, width) -> (1, height, width), ITU-R BT.601 weights."""
    return Matrix(torch.tensor([LUMA], dtype=torch.float64), in_shape)
