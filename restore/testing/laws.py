"""The laws that every operator and every plugin keeps, as assertions: for plugin authors, too."""

import torch
from torch import Tensor

from ..measurement.operator import LinearOperator, Operator
from ..measurement.signal import dot, norm

# rounding of sums over a few thousand elements, relative to the norms of what is summed
TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-5}


def assert_adjoint(operator: LinearOperator, dtype: torch.dtype = torch.float64) -> None:
    """Re<A x, y> = Re<x, A^H y>, to 1e-10 in double precision and 1e-5 in single.

    dtype: of the signal; complex for an operator that takes complex signals.
    """
    x = randn(operator.in_shape, dtype)
    forward = operator(x)
    y = randn(operator.out_shape, forward.dtype, seed=1)
    back = operator.adjoint(y)
    assert back.dtype == x.dtype, f"{operator}: the adjoint gives {back.dtype}, not {x.dtype}"
    scale = norm(forward) * norm(y) + norm(x) * norm(back)
    _assert_zero(operator, "the adjoint", dot(forward, y) - dot(x, back), scale, dtype)


def assert_linear(operator: LinearOperator, dtype: torch.dtype = torch.float64) -> None:
    """A(x - 3 z) = A x - 3 A z."""
    x, z = randn(operator.in_shape, dtype), randn(operator.in_shape, dtype, seed=1)
    difference = operator(x - 3 * z) - (operator(x) - 3 * operator(z))
    scale = norm(operator(x)) + 3 * norm(operator(z))
    _assert_zero(operator, "linearity", norm(difference), scale, dtype)


def assert_normal(operator: LinearOperator, dtype: torch.dtype = torch.float64) -> None:
    """The fused normal is A^H A."""
    x = randn(operator.in_shape, dtype)
    expected = operator.adjoint(operator(x))
    scale = norm(expected) + norm(x) * operator.norm() ** 2
    _assert_zero(operator, "normal", norm(operator.normal(x) - expected), scale, dtype)


def assert_solve_normal(
    operator: LinearOperator,
    dtype: torch.dtype = torch.float64,
    *,
    shift: float = 0.1,
    rtol: float = 1e-5,
) -> None:
    """(A^H A + shift) solve_normal(b, shift) = b, for one shift and for one a chain.

    rtol: of the residual; the default lets conjugate gradients pass, which stop at 1e-6.
    """
    b = randn(operator.in_shape, dtype, batch=3)
    each = shift * torch.tensor([1.0, 2.0, 5.0], dtype=torch.float64)
    for shifts in (torch.full_like(each, shift), each):
        given = shift if (shifts == shift).all() else shifts
        x = operator.solve_normal(b, given)
        column = shifts.to(b.real.dtype).reshape(-1, *(1,) * len(operator.in_shape))
        residual = norm(operator.normal(x) + column * x - b) / norm(b)
        assert (residual < rtol).all(), f"{operator}: solve_normal leaves {residual.tolist()} of b"


def assert_tikhonov(
    operator: LinearOperator,
    dtype: torch.dtype = torch.float64,
    *,
    shift: float = 0.1,
    rtol: float = 1e-5,
) -> None:
    """tikhonov(y, shift) = solve_normal(A^H y, shift), for one shift and for one a chain."""
    y = randn(operator.out_shape, operator(randn(operator.in_shape, dtype)).dtype, batch=3)
    for shifts in (shift, shift * torch.tensor([1.0, 2.0, 5.0], dtype=torch.float64)):
        expected = operator.solve_normal(operator.adjoint(y), shifts)
        error = norm(operator.tikhonov(y, shifts) - expected) / norm(expected)
        assert (error < rtol).all(), f"{operator}: tikhonov is off by {error.tolist()}"


def assert_vjp(operator: Operator, x: Tensor, *, step: float = 1e-6, rtol: float = 1e-6) -> None:
    """vjp against a central difference along one random direction, in double precision.

    x: (batch, *in_shape), float64, away from kinks.
    """
    v = randn(operator.out_shape, operator(x).dtype, batch=len(x))
    direction = randn(operator.in_shape, x.dtype, batch=len(x), seed=1)
    rise = operator(x + step * direction) - operator(x - step * direction)
    slope, expected = dot(operator.vjp(x, v), direction), dot(rise, v) / (2 * step)
    scale = norm(rise) * norm(v) / (2 * step) + torch.finfo(torch.float64).tiny
    error = ((slope - expected).abs() / scale).max().item()
    assert error < rtol, f"{operator}: vjp is off by {error:.1e}"


def randn(shape, dtype: torch.dtype, *, batch: int = 2, seed: int = 0) -> Tensor:
    """A reproducible random batch; (batch, *shape)."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, *shape, dtype=dtype, generator=generator)


def _assert_zero(operator, law: str, error: Tensor, scale: Tensor, dtype: torch.dtype) -> None:
    tolerance = TOLERANCE[torch.empty((), dtype=dtype).real.dtype]
    worst = (error.abs() / (scale + torch.finfo(scale.dtype).tiny)).max().item()
    assert worst < tolerance, f"{operator}: {law} is off by {worst:.1e}, more than {tolerance:.0e}"
