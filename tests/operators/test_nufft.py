"""The non-uniform Fourier transform against the sum it stands for, and the laws of operators."""

import pytest
import torch
from restore_operators import Fourier

from restore.measurement.signal import norm
from restore.measurement.spectral import dense
from restore.testing import (
    assert_adjoint,
    assert_linear,
    assert_normal,
    assert_solve_normal,
    assert_tikhonov,
    randn,
)

pytest.importorskip("finufft", reason="finufft is not installed")
from restore_operators.transforms.nufft import NUFFT

DOUBLE, SINGLE = torch.complex128, torch.complex64
SIZES = {"even": (6, 8), "odd": (7, 5), "flat": (1, 9), "volume": (4, 5, 6)}
sizes = pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)


def points(size, samples: int = 60, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    unit = torch.rand(samples, len(size), dtype=torch.float64, generator=generator) - 0.5
    return unit * torch.tensor(size)


def weights(samples: int = 60) -> torch.Tensor:
    return torch.rand(samples, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def matrix(size, k: torch.Tensor) -> torch.Tensor:
    """exp(-2 pi i k (n - size // 2) / size) / sqrt(prod(size)); (samples, pixels)."""
    axes = [torch.arange(n, dtype=torch.float64) - n // 2 for n in size]
    n = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).reshape(-1, len(size))
    turns = (k / torch.tensor(size)) @ n.T
    return torch.exp(-2j * torch.pi * turns) / len(n) ** 0.5


@sizes
def test_it_is_the_sum_to_its_tolerance(size):
    k = points(size)
    x = randn((3, *size), DOUBLE)
    expected = x.flatten(2) @ matrix(size, k).T
    for eps in (1e-3, 1e-6, 1e-12):
        found = NUFFT((3, *size), k, eps=eps)(x)
        assert (found - expected).norm() < 3 * eps * expected.norm()
    single = NUFFT((3, *size), k)(x.to(SINGLE))
    assert single.dtype == SINGLE
    assert (single - expected).norm() < 1e-5 * expected.norm()


@sizes
@pytest.mark.parametrize("weighted", [False, True])
def test_it_keeps_the_laws(size, weighted):
    k = points(size)
    operator = NUFFT((2, *size), k, weights=weights() if weighted else None, eps=1e-12)
    for dtype in (DOUBLE, SINGLE):
        assert_adjoint(operator, dtype)
        assert_linear(operator, dtype)
        assert_normal(operator, dtype)
        assert_solve_normal(operator, dtype, rtol=1e-4)
        assert_tikhonov(operator, dtype, rtol=1e-4)


@sizes
def test_the_adjoint_is_exact_however_coarse_the_transform(size):
    assert_adjoint(NUFFT(size, points(size), eps=1e-2), DOUBLE)


@sizes
def test_normal_is_that_of_the_matrix_however_coarse_the_transform(size):
    k, w = points(size), weights()
    a = w.sqrt()[:, None] * matrix(size, k)
    x = randn(size, DOUBLE)
    expected = x.flatten(1) @ (a.mH @ a).T
    found = NUFFT(size, k, weights=w, eps=1e-2).normal(x).flatten(1)
    assert (found - expected).norm() < 1e-11 * expected.norm()


@pytest.mark.parametrize("size", [(6, 7), (4, 3, 5)])
def test_at_whole_numbers_it_is_the_centred_transform(size):
    axes = [torch.arange(n) - n // 2 for n in size]
    k = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1)
    x = randn((2, *size), DOUBLE)
    expected = Fourier((2, *size), axes=len(size))(x).flatten(2)
    torch.testing.assert_close(NUFFT((2, *size), k, eps=1e-12)(x), expected)


@sizes
def test_solve_normal_is_the_dense_solve(size):
    operator = NUFFT(size, points(size), eps=1e-13)
    a = matrix(size, points(size))
    b = randn(size, DOUBLE, batch=1)
    expected = torch.linalg.solve(a.mH @ a + 0.3 * torch.eye(b.numel()), b.flatten())
    found = operator.solve_normal(b, 0.3).flatten()
    assert (found - expected).norm() < 1e-5 * expected.norm()  # conjugate gradients stop at 1e-6


@sizes
def test_norm_is_the_largest_singular_value(size):
    operator = NUFFT(size, points(size))
    largest = torch.linalg.matrix_norm(dense(operator, DOUBLE), 2).item()
    assert 0.97 * largest < operator.norm() < (1 + 1e-5) * largest  # iteration comes from below


def test_a_row_does_not_depend_on_its_batch():
    operator = NUFFT((2, 6, 5), points((6, 5)))
    x = randn(operator.in_shape, DOUBLE, batch=3)
    y = operator(x)
    torch.testing.assert_close(torch.cat([operator(row[None]) for row in x]), y)
    back = torch.cat([operator.adjoint(row[None]) for row in y])
    torch.testing.assert_close(back, operator.adjoint(y))
    assert operator(x[:0]).shape == (0, *operator.out_shape)


def test_automatic_differentiation_finds_the_adjoint():
    operator = NUFFT((4, 5), points((4, 5), 9), eps=1e-9)
    x = randn((4, 5), DOUBLE, batch=1).requires_grad_()
    assert torch.autograd.gradcheck(operator, (x,))
    v = randn(operator.out_shape, DOUBLE, batch=1)
    (gradient,) = torch.autograd.grad(operator(x), x, v)
    assert norm(gradient - operator.vjp(x, v)) == 0


def test_what_it_refuses():
    with pytest.raises(ValueError, match=r"points of axis 1 must lie in -2 to 2"):
        NUFFT((6, 4), torch.tensor([[3.0, -2.5]]))
    with pytest.raises(ValueError, match="not finite"):
        NUFFT((6, 4), torch.tensor([[3.0, torch.nan]]))
    with pytest.raises(ValueError, match=r"\(\.\.\., 2 or 3\)"):
        NUFFT((6, 4), torch.zeros(5, 4))
    with pytest.raises(ValueError, match=r"\(\.\.\., 2 or 3\)"):
        NUFFT((6, 4), torch.zeros(5, 3))
    with pytest.raises(ValueError, match="weights must be 5"):
        NUFFT((6, 4), torch.zeros(5, 2), weights=-torch.ones(5))
    with pytest.raises(TypeError, match="complex"):
        NUFFT((6, 4), torch.zeros(5, 2))(torch.zeros(1, 6, 4))
