"""Operators of other libraries as ours: scipy's LinearOperator and all that speaks it; deepinv."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from .operator import LinearOperator, Operator, Shape


def from_scipy(operator: Any, in_shape: Sequence[int], out_shape: Sequence[int]) -> LinearOperator:
    """The operator of a matrix-free one with `shape`, `dtype`, `matvec` and `rmatvec`: scipy's
    LinearOperator, PyLops', ASTRA's OpTomo. It is applied on the CPU, in its own precision.

    in_shape, out_shape: of one signal and one measurement, flattened row by row for it. One that
    is complex takes complex signals: put `restore_operators.ChannelsToComplex` at its right.
    TypeError for what is no such operator, ValueError for shapes that are not its sizes.
    """
    if not all(hasattr(operator, name) for name in ("shape", "dtype", "matvec", "rmatvec")):
        raise TypeError(
            f"need shape, dtype, matvec and rmatvec, which {type(operator).__name__} lacks; "
            "scipy.sparse.linalg.aslinearoperator gives them to a matrix"
        )
    sizes = (math.prod(out_shape), math.prod(in_shape))
    if tuple(operator.shape) != sizes:
        raise ValueError(
            f"the operator is of {tuple(operator.shape)}, {tuple(in_shape)} -> "
            f"{tuple(out_shape)} needs {sizes}"
        )
    return _Foreign(
        in_shape, out_shape, _rows(operator.matvec, operator), _rows(operator.rmatvec, operator)
    )


def from_deepinv(physics: Any, in_shape: Sequence[int] | None = None) -> Operator:
    """The operator of a deepinv physics: its A and A_adjoint, without its noise.

    Signals are cast to the precision of the physics' own numbers. A physics without A_adjoint is
    not linear; its gradients are autograd's. in_shape: of one signal; where it is not given, the
    physics must know its img_size. ValueError otherwise, TypeError for what is no physics.
    """
    if not hasattr(physics, "A"):
        raise TypeError(f"need a deepinv physics, got {type(physics).__name__}")
    shape = in_shape or getattr(physics, "img_size", None)
    if shape is None:
        raise ValueError(f"{type(physics).__name__} does not tell its img_size: give in_shape")
    apply = _in_precision_of(physics, physics.A)
    with torch.no_grad():
        out_shape = apply(torch.zeros(1, *shape)).shape[1:]
    if not hasattr(physics, "A_adjoint"):
        return _Bent(shape, out_shape, apply)
    return _Foreign(shape, out_shape, apply, _in_precision_of(physics, physics.A_adjoint))


class _Foreign(LinearOperator):
    """A and A^H as two functions; autograd takes the one for the derivative of the other."""

    def __init__(
        self,
        in_shape: Sequence[int],
        out_shape: Sequence[int],
        apply: Callable[[Tensor], Tensor],
        pull: Callable[[Tensor], Tensor],
    ):
        super().__init__(in_shape, out_shape)
        self.apply, self.pull = apply, pull

    def _forward(self, x: Tensor) -> Tensor:
        return _Linear.apply(x, self.apply, self.pull, self.out_shape)

    def _adjoint(self, y: Tensor) -> Tensor:
        return _Linear.apply(y, self.pull, self.apply, self.in_shape)


class _Bent(Operator):
    """A that is not linear, made of torch's own functions."""

    def __init__(self, in_shape: Sequence[int], out_shape: Sequence[int], apply: Callable):
        super().__init__(in_shape, out_shape)
        self.apply = apply

    def _forward(self, x: Tensor) -> Tensor:
        return self.apply(x)


class _Linear(torch.autograd.Function):
    """A x, with A^H for the way back and A for the way ahead."""

    @staticmethod
    def forward(x: Tensor, apply: Callable, pull: Callable, shape: Shape) -> Tensor:
        with torch.no_grad():
            return apply(x).reshape(len(x), *shape)

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        x, ctx.run, ctx.pull, ctx.out_shape = inputs
        ctx.in_shape = x.shape[1:]

    @staticmethod
    def backward(ctx, v: Tensor):
        return _Linear.apply(v, ctx.pull, ctx.run, ctx.in_shape), None, None, None

    @staticmethod
    def jvp(ctx, x: Tensor, *_) -> Tensor:
        return _Linear.apply(x, ctx.run, ctx.pull, ctx.out_shape)


def _in_precision_of(physics: Any, product: Callable) -> Callable[[Tensor], Tensor]:
    """A product of what is cast to the precision of the physics' own numbers, and cast back."""
    held = [*physics.buffers()] if isinstance(physics, nn.Module) else []
    own = next((value.real.dtype for value in held if value.is_floating_point()), None)
    if own is None:
        return product

    def applied(x: Tensor) -> Tensor:
        wanted = own.to_complex() if x.is_complex() else own
        made = product(x.to(wanted))
        return made.to(x.dtype if made.is_complex() == x.is_complex() else made.dtype)

    return applied


def _rows(product: Callable, operator: Any) -> Callable[[Tensor], Tensor]:
    """A product of one flat vector, of a batch of signals."""

    def each(x: Tensor) -> Tensor:
        flat = x.detach().flatten(1).cpu().numpy()
        made = [torch.as_tensor(product(row.astype(operator.dtype))).flatten() for row in flat]
        dtype = x.dtype
        if made[0].is_complex():
            dtype = x.dtype.to_complex()
        return torch.stack(made).to(x.device, dtype)

    return each
