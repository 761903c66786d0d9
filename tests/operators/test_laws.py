"""The laws of every operator: adjoint, linearity, normal, solve, norm, batch, precision, shape."""

import math
from copy import deepcopy

import pytest
import torch
from catalogue import CLOSED, LINEAR, NONLINEAR
from restore_operators import Blur, gaussian_kernel, motion_kernel

from restore.measurement.operator import LinearOperator
from restore.measurement.signal import norm
from restore.measurement.spectral import dense
from restore.testing import (
    assert_adjoint,
    assert_linear,
    assert_normal,
    assert_solve_normal,
    assert_tikhonov,
    assert_vjp,
    randn,
)

SINGLE = {torch.float64: torch.float32, torch.complex128: torch.complex64}

every = pytest.mark.parametrize(("operator", "dtype"), LINEAR.values(), ids=LINEAR)
nonlinear = pytest.mark.parametrize("operator", NONLINEAR.values(), ids=NONLINEAR)


@every
def test_every_operator_has_its_adjoint(operator, dtype):
    assert_adjoint(operator, dtype)
    assert_adjoint(operator, SINGLE[dtype])


@every
def test_every_linear_operator_is_linear(operator, dtype):
    assert_linear(operator, dtype)
    assert_linear(operator, SINGLE[dtype])


@every
def test_normal_is_the_adjoint_after_the_operator(operator, dtype):
    assert_normal(operator, dtype)
    assert_normal(operator, SINGLE[dtype])


@every
def test_solve_normal_leaves_no_residual(operator, dtype):
    assert_solve_normal(operator, dtype)
    assert_solve_normal(operator, SINGLE[dtype], rtol=1e-4)


@every
def test_tikhonov_is_the_solve_after_the_adjoint(operator, dtype):
    assert_tikhonov(operator, dtype)
    assert_tikhonov(operator, SINGLE[dtype], rtol=1e-4)


@pytest.mark.parametrize(("operator", "dtype"), CLOSED.values(), ids=CLOSED)
def test_tikhonov_keeps_its_digits_where_it_is_closed(operator, dtype):
    shift = 1e-6 * operator.norm() ** 2
    y = operator(randn(operator.in_shape, dtype)) + 0.01
    single = y.to(SINGLE[y.dtype])
    expected = operator.tikhonov(y, shift)
    assert (norm(operator.tikhonov(single, shift) - expected) < 1e-3 * norm(expected)).all()


@every
def test_solve_normal_is_the_dense_solve(operator, dtype):
    matrix = dense(operator, dtype)
    b = randn(operator.in_shape, dtype, batch=1)
    system = matrix.mH @ matrix + 0.3 * torch.eye(b.numel(), dtype=matrix.dtype)
    expected = torch.linalg.solve(system, b.flatten()).reshape(b.shape)
    found = operator.solve_normal(b, 0.3)
    assert norm(found - expected) < 1e-5 * norm(expected)  # conjugate gradients stop at 1e-6


@every
def test_norm_is_the_largest_singular_value(operator, dtype):
    largest = torch.linalg.matrix_norm(dense(operator, dtype), 2).item()
    assert 0.98 * largest < operator.norm() < (1 + 1e-5) * largest  # iteration comes from below


def test_the_norm_of_a_large_blur_is_found_on_a_small_one():
    kernel = motion_kernel(9.3, 20)
    for boundary in ("reflect", "replicate", "zero"):
        large, small = (Blur((1, n, n), kernel, boundary=boundary) for n in (200, 60))
        assert large.norm() == pytest.approx(small.norm(), rel=0.01)


@every
def test_a_row_does_not_depend_on_its_batch(operator, dtype):
    x = randn(operator.in_shape, dtype, batch=3)
    y = operator(x)
    b = operator.adjoint(y)
    shift = torch.tensor([0.1, 0.2, 0.3], dtype=torch.float64)
    solved = operator.solve_normal(b, shift)
    for row in range(3):
        one = slice(row, row + 1)
        torch.testing.assert_close(operator(x[one]), y[one], rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(operator.adjoint(y[one]), b[one], rtol=1e-12, atol=1e-12)
        alone = operator.solve_normal(b[one], shift[row].item())
        torch.testing.assert_close(alone, solved[one], rtol=1e-5, atol=1e-5)  # conjugate gradients


@every
def test_precision_follows_the_input(operator, dtype):
    double = operator(randn(operator.in_shape, dtype))
    x = randn(operator.in_shape, SINGLE[dtype])
    y = operator(x)
    assert y.dtype == SINGLE[double.dtype]
    assert operator.adjoint(y).dtype == operator.normal(x).dtype == x.dtype
    assert operator.solve_normal(x, 0.5).dtype == x.dtype
    assert operator.solve_normal(x, torch.tensor([0.5, 1.0], dtype=torch.float64)).dtype == x.dtype


@every
def test_the_device_follows_the_input(operator, dtype):
    operator = deepcopy(operator)  # what it moves there is no other test's
    x = randn(operator.in_shape, SINGLE[dtype]).to("meta")
    y = operator(x)
    assert y.device.type == operator.adjoint(y).device.type == "meta"
    assert operator.normal(x).device.type == "meta"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_finds_the_same_numbers():
    for operator, dtype in LINEAR.values():
        x = randn(operator.in_shape, SINGLE[dtype])
        y = operator(x)
        for found, expected in (
            (operator(x.cuda()), y),
            (operator.adjoint(y.cuda()), operator.adjoint(y)),
            (operator.solve_normal(x.cuda(), 0.5), operator.solve_normal(x, 0.5)),
        ):
            assert found.is_cuda
            torch.testing.assert_close(found.cpu(), expected, rtol=1e-3, atol=1e-3)


@every
def test_an_operator_does_not_change_its_input(operator, dtype):
    x = randn(operator.in_shape, dtype)
    kept = x.clone()
    y = operator(x)
    measured = y.clone()
    operator.adjoint(y), operator.normal(x), operator.solve_normal(x, 0.5)
    assert x.equal(kept) and y.equal(measured)


@every
def test_a_wrong_shape_is_refused_by_name(operator, dtype):
    wrong = torch.zeros(2, *(n + 1 for n in operator.in_shape), dtype=dtype)
    with pytest.raises(ValueError, match=rf"{type(operator).__name__}.*the input must be a batch"):
        operator(wrong)
    with pytest.raises(ValueError, match="the input must be a batch"):
        operator.normal(wrong)
    with pytest.raises(ValueError, match="the input must be a batch"):
        operator.solve_normal(wrong, 0.1)
    with pytest.raises(ValueError, match="the start must be a batch"):
        operator.solve_normal(torch.zeros(2, *operator.in_shape, dtype=dtype), 0.1, wrong)
    with pytest.raises(ValueError, match=rf"{type(operator).__name__}.*must be a batch"):
        operator.adjoint(torch.zeros(operator.out_shape))
    with pytest.raises(ValueError, match="the output must be a batch"):
        operator.tikhonov(torch.zeros(operator.out_shape), 0.1)


@pytest.mark.parametrize(
    "shift",
    [0, -1.0, math.nan, math.inf, torch.tensor([0.1, 0.0]), torch.tensor([0.1, math.nan]),
     torch.ones(3)],
)  # fmt: skip
@every
def test_a_shift_that_is_not_positive_or_not_one_a_signal_is_refused(operator, dtype, shift):
    b = torch.zeros(2, *operator.in_shape, dtype=dtype)
    with pytest.raises(ValueError, match=rf"{type(operator).__name__}.*a shift is positive"):
        operator.solve_normal(b, shift)
    with pytest.raises(ValueError, match="a shift is positive and finite"):
        operator.tikhonov(operator(b), shift)


@pytest.mark.parametrize("name", ["normal", "solve_normal", "tikhonov", "adjoint", "__call__"])
def test_no_operator_goes_round_the_checks(name):
    def below(kind):
        return {kind}.union(*(below(child) for child in kind.__subclasses__()))

    assert [kind for kind in below(LinearOperator) - {LinearOperator} if name in vars(kind)] == []


def test_a_solve_that_leaves_the_real_numbers_names_the_operator():
    operator = Blur((1, 8, 8), gaussian_kernel(1.0), boundary="reflect")
    operator.__dict__["closed"] = None  # by iteration
    b = torch.ones(2, 1, 8, 8)
    b[1, 0, 3, 3] = math.nan
    with pytest.raises(FloatingPointError, match=r"Blur.*left the real numbers"):
        operator.solve_normal(b, 0.1)


@nonlinear
def test_vjp_is_the_slope(operator):
    x = randn(operator.in_shape, torch.float64, batch=3)
    assert_vjp(operator, x, step=1e-6, rtol=1e-6)


@nonlinear
def test_vjp_is_what_automatic_differentiation_finds(operator):
    x = randn(operator.in_shape, torch.float64, batch=3).requires_grad_()
    v = randn(operator.out_shape, torch.float64, batch=3, seed=2)
    (expected,) = torch.autograd.grad(operator(x), x, v)
    torch.testing.assert_close(operator.vjp(x.detach(), v), expected)
