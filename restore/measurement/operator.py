"""Forward operators A: what a measurement does to a signal; linear ones form an algebra.

Operators are stateless and immutable. Device and precision follow the input.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from .checks import checked_batch, checked_shift, is_double, shift_column, sizes
from .signal import column, conjugate_gradient, norm

Shape = tuple[int, ...]


class Operator(ABC):
    """y = A(x); (batch, *in_shape) -> (batch, *out_shape)."""

    def __init__(self, in_shape: Sequence[int], out_shape: Sequence[int]):
        self.in_shape: Shape = tuple(int(n) for n in in_shape)
        self.out_shape: Shape = tuple(int(n) for n in out_shape)
        self._moved: dict = {}

    def __call__(self, x: Tensor) -> Tensor:
        return self._forward(self._checked(x, self.in_shape, "input"))

    @abstractmethod
    def _forward(self, x: Tensor) -> Tensor: ...

    def vjp(self, x: Tensor, v: Tensor) -> Tensor:
        """J(x)^H v, the gradient of Re<A(x), v>; (batch, *out_shape) -> (batch, *in_shape)."""
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            y = self(x)
            return torch.autograd.grad(y, x, v)[0]

    def select(self, start: int, stop: int) -> "Operator":
        """The operator of observations start to stop; one that serves all of them is itself."""
        return self

    def __matmul__(self, inner: "Operator") -> "Operator":
        """A @ B: first B, then A."""
        if not isinstance(inner, Operator):
            return NotImplemented
        if inner.out_shape != self.in_shape:
            raise ValueError(
                f"{self} @ {inner}: the second gives {sizes(inner.out_shape)}, "
                f"the first takes {sizes(self.in_shape)}"
            )
        if isinstance(self, LinearOperator) and isinstance(inner, LinearOperator):
            return Composed(self, inner)
        return NonlinearComposed(self, inner)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({sizes(self.in_shape)} -> {sizes(self.out_shape)})"

    def _checked(self, value: Tensor, shape: Shape, side: str) -> Tensor:
        return checked_batch(value, shape, self, side)

    def _like(self, name: str, like: Tensor) -> Tensor:
        """The attribute `name` on the device and in the precision of `like`, moved once."""
        value: Tensor = getattr(self, name)
        dtype = value.dtype
        if value.is_complex():
            dtype = torch.complex128 if is_double(like) else torch.complex64
        elif value.is_floating_point():
            dtype = torch.float64 if is_double(like) else torch.float32
        key = (name, like.device, dtype)
        if key not in self._moved:
            self._moved[key] = value.to(like.device, dtype)
        return self._moved[key]


class LinearOperator(Operator):
    """A with its adjoint: Re<A x, y> = Re<x, A^H y>."""

    unitary = False  # A^H A = A A^H = I

    def adjoint(self, y: Tensor) -> Tensor:
        """A^H y; (batch, *out_shape) -> (batch, *in_shape)."""
        return self._adjoint(self._checked(y, self.out_shape, "output"))

    @abstractmethod
    def _adjoint(self, y: Tensor) -> Tensor: ...

    def vjp(self, x: Tensor, v: Tensor) -> Tensor:
        return self.adjoint(v)

    def normal(self, x: Tensor) -> Tensor:
        """A^H A x; (batch, *in_shape) -> (batch, *in_shape)."""
        return self._normal(self._checked(x, self.in_shape, "input"))

    def _normal(self, x: Tensor) -> Tensor:
        """Override where one pass does both."""
        return self._adjoint(self._forward(x))

    def solve_normal(self, b: Tensor, shift: float | Tensor, start: Tensor | None = None) -> Tensor:
        """(A^H A + shift I)^-1 b; (batch, *in_shape) -> (batch, *in_shape).

        shift: a number, or one for each signal, (batch,); positive and finite, else ValueError.
        start: where an iteration may begin. FloatingPointError where an iteration leaves the real
        numbers.
        """
        b = self._checked(b, self.in_shape, "input")
        start = None if start is None else self._checked(start, self.in_shape, "start")
        return self._solve_normal(b, checked_shift(shift, b, self), start)

    def _solve_normal(self, b: Tensor, shift: float | Tensor, start: Tensor | None) -> Tensor:
        """By conjugate gradients, to a relative residual of 1e-6; override where it is closed.

        shift: a number, or a column that multiplies b as it is.
        """
        return conjugate_gradient(lambda x: self._normal(x) + shift * x, b, start=start, what=self)

    def tikhonov(self, y: Tensor, shift: float | Tensor) -> Tensor:
        """(A^H A + shift I)^-1 A^H y; (batch, *out_shape) -> (batch, *in_shape).

        shift: as of `solve_normal`.
        """
        y = self._checked(y, self.out_shape, "output")
        return self._tikhonov(y, checked_shift(shift, y, self))

    def _tikhonov(self, y: Tensor, shift: float | Tensor) -> Tensor:
        """Override where one pass does both; shift is a number, or a column that multiplies y.

        A pass of its own also keeps its digits: solve_normal(adjoint(y)) loses norm^2 / shift of
        them to rounding in directions that A does not see.
        """
        b = self._adjoint(y)
        return self._solve_normal(b, shift_column(shift, b), None)

    def norm(self, steps: int = 100) -> float:
        """The largest singular value; by power iteration where it is not known in closed form."""
        if self.unitary:
            return 1.0
        if "norm" not in self._moved:
            generator = torch.Generator().manual_seed(0)
            x = torch.randn(1, *self.in_shape, generator=generator)
            for _ in range(steps):
                x = self.normal(x / column(norm(x), x))
            self._moved["norm"] = norm(x).item() ** 0.5
        return self._moved["norm"]

    def svd(self):
        """Its `spectral.Spectral` where an orthonormal one is known, else None; override."""
        return None

    @property
    def H(self) -> "LinearOperator":
        """The adjoint as an operator."""
        return Adjoint(self)

    def __add__(self, other: "LinearOperator") -> "LinearOperator":
        return Sum(self, other) if isinstance(other, LinearOperator) else NotImplemented

    def __rmul__(self, factor: float) -> "LinearOperator":
        return Scaled(factor, self)


class Adjoint(LinearOperator):
    """A^H."""

    def __init__(self, operator: LinearOperator):
        super().__init__(operator.out_shape, operator.in_shape)
        self.operator, self.unitary = operator, operator.unitary

    def _forward(self, x: Tensor) -> Tensor:
        return self.operator.adjoint(x)

    def _adjoint(self, y: Tensor) -> Tensor:
        return self.operator(y)

    def norm(self, steps: int = 100) -> float:
        return self.operator.norm(steps)

    @property
    def H(self) -> LinearOperator:
        return self.operator


class Composed(LinearOperator):
    """outer @ inner, both linear."""

    def __init__(self, outer: LinearOperator, inner: LinearOperator):
        super().__init__(inner.in_shape, outer.out_shape)
        self.outer, self.inner = outer, inner
        self.unitary = outer.unitary and inner.unitary

    def _forward(self, x: Tensor) -> Tensor:
        return self.outer(self.inner(x))

    def _adjoint(self, y: Tensor) -> Tensor:
        return self.inner.adjoint(self.outer.adjoint(y))

    def _normal(self, x: Tensor) -> Tensor:
        return self.inner.adjoint(self.outer.normal(self.inner(x)))

    def _solve_normal(self, b: Tensor, shift: float | Tensor, start: Tensor | None) -> Tensor:
        if self.inner.unitary:  # U^H A^H A U + shift = U^H (A^H A + shift) U
            start = None if start is None else self.inner(start)
            return self.inner.adjoint(self.outer.solve_normal(self.inner(b), shift, start))
        return super()._solve_normal(b, shift, start)

    def _tikhonov(self, y: Tensor, shift: float | Tensor) -> Tensor:
        if self.inner.unitary:
            return self.inner.adjoint(self.outer.tikhonov(y, shift))
        if self.outer.unitary:
            return self.inner.tikhonov(self.outer.adjoint(y), shift)
        return super()._tikhonov(y, shift)

    def norm(self, steps: int = 100) -> float:
        if self.inner.unitary:
            return self.outer.norm(steps)
        return self.inner.norm(steps) if self.outer.unitary else super().norm(steps)

    def svd(self):
        spectral = self.outer.svd() if self.inner.unitary else None
        return None if spectral is None else spectral.behind(self.inner)

    def select(self, start: int, stop: int) -> LinearOperator:
        return Composed(self.outer.select(start, stop), self.inner.select(start, stop))


class NonlinearComposed(Operator):
    """outer @ inner, where one of them is not linear."""

    def __init__(self, outer: Operator, inner: Operator):
        super().__init__(inner.in_shape, outer.out_shape)
        self.outer, self.inner = outer, inner

    def _forward(self, x: Tensor) -> Tensor:
        return self.outer(self.inner(x))

    def vjp(self, x: Tensor, v: Tensor) -> Tensor:
        return self.inner.vjp(x, self.outer.vjp(self.inner(x), v))

    def select(self, start: int, stop: int) -> Operator:
        return NonlinearComposed(self.outer.select(start, stop), self.inner.select(start, stop))


class Sum(LinearOperator):
    """A + B."""

    def __init__(self, first: LinearOperator, second: LinearOperator):
        if (first.in_shape, first.out_shape) != (second.in_shape, second.out_shape):
            raise ValueError(f"{first} + {second}: the shapes differ")
        super().__init__(first.in_shape, first.out_shape)
        self.first, self.second = first, second

    def _forward(self, x: Tensor) -> Tensor:
        return self.first(x) + self.second(x)

    def _adjoint(self, y: Tensor) -> Tensor:
        return self.first.adjoint(y) + self.second.adjoint(y)

    def select(self, start: int, stop: int) -> LinearOperator:
        return Sum(self.first.select(start, stop), self.second.select(start, stop))


class Scaled(LinearOperator):
    """factor A, for a real factor."""

    def __init__(self, factor: float, operator: LinearOperator):
        super().__init__(operator.in_shape, operator.out_shape)
        self.factor, self.operator = float(factor), operator

    def _forward(self, x: Tensor) -> Tensor:
        return self.factor * self.operator(x)

    def _adjoint(self, y: Tensor) -> Tensor:
        return self.factor * self.operator.adjoint(y)

    def _normal(self, x: Tensor) -> Tensor:
        return self.factor**2 * self.operator.normal(x)

    def _solve_normal(self, b: Tensor, shift: float | Tensor, start: Tensor | None) -> Tensor:
        if self.factor == 0:
            return b / shift
        square = self.factor**2
        start = None if start is None else start * square
        return self.operator.solve_normal(b, shift / square, start) / square

    def _tikhonov(self, y: Tensor, shift: float | Tensor) -> Tensor:
        if self.factor == 0:
            return super()._tikhonov(y, shift)
        return self.operator.tikhonov(y, shift / self.factor**2) / self.factor

    def norm(self, steps: int = 100) -> float:
        return abs(self.factor) * self.operator.norm(steps)

    def svd(self):
        spectral = self.operator.svd()
        return None if spectral is None else spectral.scaled(self.factor)

    def select(self, start: int, stop: int) -> LinearOperator:
        return Scaled(self.factor, self.operator.select(start, stop))
