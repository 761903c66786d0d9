"""A^H A of a mask that changes along one axis only: a small Hermitian matrix for each row.

There A^H A = sum_c conj(S_c) G S_c, with G = F^H M^2 F circulant, does not mix rows: along each of
them it is the matrix G_(n - m) sum_c conj(S_cn) S_cm, decomposed here once and for every shift.
"""

from collections.abc import Sequence

import torch
from restore_operators.pixels.diagonal import Unitary
from torch import Tensor


class RowEigenbasis(Unitary):
    """c = V^H x, where A^H A = V diag(values) V^H; complex (frames, slice, y, x) -> the same.

    coils: (coil, slice or 1, y, x). gains: M^2, (frames or 1, slice or 1, y, x), of size 1 along
    the axes where they do not change. axis: the one where they do, -3 to -1.
    """

    def __init__(self, in_shape: Sequence[int], coils: Tensor, gains: Tensor, axis: int):
        super().__init__(in_shape, in_shape)
        self.axis = axis
        coils = coils.to(torch.complex128).movedim(axis, -1).movedim(0, -2)
        kernel = torch.fft.ifft(gains.double().movedim(axis, -1))
        n = torch.arange(kernel.shape[-1])
        circulant = kernel[..., (n[:, None] - n) % len(n)]
        # (frames or 1, slice or 1, row, n, m)
        values, self.vectors = torch.linalg.eigh(circulant * (coils.mH @ coils))
        self.values = values.clamp(min=0).movedim(-1, axis)

    def solve(self, b: Tensor, shift: float | Tensor) -> Tensor:
        """(A^H A + shift)^-1 b; shift: a number, or a column that multiplies b."""
        values = self._like("values", b)
        return self.adjoint(self(b) / (values + shift))

    def _forward(self, x: Tensor) -> Tensor:
        return self._rotated(self._like("vectors", x).mH, x)

    def _adjoint(self, y: Tensor) -> Tensor:
        return self._rotated(self._like("vectors", y), y)

    def _rotated(self, matrices: Tensor, x: Tensor) -> Tensor:
        """Each row times its matrix; rows that share a matrix go through one product."""
        own = [i for i in (1, 2) if matrices.shape[i - 1] > 1]
        shared = [i for i in (1, 2) if i not in own]
        order = [*own, 3, 4, 0, *shared]
        x = x.movedim(self.axis, -1).permute(order)
        matrices = matrices.squeeze([i - 1 for i in shared])
        turned = (matrices @ x.flatten(len(own) + 2)).reshape(x.shape)
        back = sorted(range(5), key=order.__getitem__)
        return turned.permute(back).movedim(-1, self.axis)


def systems(in_shape: Sequence[int], coils: Tensor, gains: Tensor, axis: int) -> tuple[int, int]:
    """The number of matrices to decompose, and their size."""
    shape = torch.broadcast_shapes(gains.shape, (1, *coils.shape[1:]))
    size = in_shape[axis]
    return int(torch.Size(shape).numel()) // size, size
