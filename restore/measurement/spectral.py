"""Singular value decomposition of an operator, A = U diag(values) V^H (DDRM, DDNM, SNIPS)."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from weakref import WeakKeyDictionary

import torch
import torch.nn.functional as F
from torch import Tensor

from .operator import LinearOperator

LARGEST = 4096  # signal elements; a dense decomposition of more takes minutes and gigabytes
CHUNK = 256  # columns of the dense matrix measured in one call

Map = Callable[[Tensor], Tensor]

_dense: WeakKeyDictionary = WeakKeyDictionary()


@dataclass(frozen=True)
class Spectral:
    """A = U diag(values) V^H, with V unitary and the columns of U orthonormal where values > 0.

    There are as many coordinates as signal elements; those of the null space have the value 0.
    V keeps Re<a, b>, so white noise in the signal is white in the coordinates and back: draw it
    as `from_signal(randn_like(x))`. All maps take a batch and follow its device and precision;
    values are float64 on the CPU.
    """

    values: Tensor  # one signal's coordinates, broadcastable, >= 0
    to_signal: Map  # V c
    from_signal: Map  # V^H x
    from_measurement: Map  # U^H y, 0 in the null space

    def behind(self, unitary: LinearOperator) -> "Spectral":
        """The decomposition of A @ unitary."""
        return replace(
            self,
            to_signal=lambda c: unitary.adjoint(self.to_signal(c)),
            from_signal=lambda x: self.from_signal(unitary(x)),
        )

    def scaled(self, factor: float) -> "Spectral":
        """The decomposition of factor A, for a real factor."""
        sign = (factor > 0) - (factor < 0)
        return replace(
            self,
            values=abs(factor) * self.values,
            from_measurement=lambda y: sign * self.from_measurement(y),
        )


def svd(operator: LinearOperator, dtype: torch.dtype = torch.float64) -> Spectral:
    """The operator's own decomposition, or a dense one of a small operator, computed once.

    dtype: of the signals where it must be dense: complex128 for an operator that takes complex
        ones.
    TypeError for an operator that has none of its own and takes more than 4096 elements.
    """
    own = operator.svd()
    if own is not None:
        return own
    found = _dense.setdefault(operator, {})
    if dtype not in found:
        found[dtype] = _decompose(operator, dtype)
    return found[dtype]


def dense(operator: LinearOperator, dtype: torch.dtype = torch.float64) -> Tensor:
    """The operator as a matrix, (measurement elements, signal elements).

    A complex measurement of real signals is a matrix over the reals: its rows are real and
    imaginary parts in turn.
    """
    columns = torch.eye(math.prod(operator.in_shape), dtype=dtype).split(CHUNK)
    return torch.cat([_flat(operator(c.reshape(-1, *operator.in_shape)), dtype) for c in columns]).T


class _Rotation(LinearOperator):
    """x -> Q x for a matrix of orthonormal columns or rows, on flattened signals."""

    def __init__(self, matrix: Tensor, in_shape: tuple[int, ...]):
        super().__init__(in_shape, matrix.shape[:1])
        self.matrix = matrix

    def _forward(self, x: Tensor) -> Tensor:
        return x.flatten(1) @ self._like("matrix", x).T

    def _adjoint(self, y: Tensor) -> Tensor:
        return (y @ self._like("matrix", y).conj()).reshape(-1, *self.in_shape)


def _decompose(operator: LinearOperator, dtype: torch.dtype) -> Spectral:
    size = math.prod(operator.in_shape)
    if size > LARGEST:
        raise TypeError(
            f"{operator} has no singular value decomposition of its own, and {size} elements are "
            f"too many for a dense one (at most {LARGEST}); masks, Fourier masks, circular or "
            "separable blurs, downsampling with a separable kernel and matrices have one"
        )
    matrix = dense(operator, dtype)
    # a wide matrix needs the whole of V, its null space included
    u, values, vh = torch.linalg.svd(matrix, full_matrices=matrix.shape[0] < size)
    rank = int((values > values[0] * size * torch.finfo(values.dtype).eps).sum())
    values = F.pad(values[:rank], (0, size - rank))
    rotation = _Rotation(vh, operator.in_shape)
    left = _Rotation(u[:, :rank].mH.contiguous(), matrix.shape[:1])
    return Spectral(
        values=values,
        to_signal=rotation.adjoint,
        from_signal=rotation,
        from_measurement=lambda y: F.pad(left(_flat(y, dtype)), (0, size - rank)),
    )


def _flat(y: Tensor, dtype: torch.dtype) -> Tensor:
    """(batch, elements), complex numbers as pairs where the signal is real."""
    if y.is_complex() and not dtype.is_complex:
        y = torch.view_as_real(y)
    return y.flatten(1)
