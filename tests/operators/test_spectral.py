"""Singular value decompositions: orthonormal, of the right values, of the operator itself."""

import pytest
import torch
from catalogue import CLOSED, COMPLEX, LINEAR, random
from restore_operators import Blur, ChannelsToComplex, Mask, Matrix

from restore.measurement.operator import Composed
from restore.measurement.signal import norm
from restore.measurement.spectral import dense, svd
from restore.measurement.stacking import Stacked
from restore.testing import randn

every = pytest.mark.parametrize(("operator", "dtype"), LINEAR.values(), ids=LINEAR)


@every
def test_coordinates_and_signal_turn_into_each_other(operator, dtype):
    spectral = svd(operator, dtype)
    x = randn(operator.in_shape, dtype)
    coords = spectral.from_signal(x)
    torch.testing.assert_close(spectral.to_signal(coords), x, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(norm(coords), norm(x), rtol=1e-10, atol=0)
    other = randn(coords.shape[1:], coords.dtype, seed=1)
    back = spectral.from_signal(spectral.to_signal(other))
    torch.testing.assert_close(back, other, rtol=1e-10, atol=1e-10)


@every
def test_the_operator_is_a_product_in_its_coordinates(operator, dtype):
    spectral = svd(operator, dtype)
    x = randn(operator.in_shape, dtype)
    found = spectral.from_measurement(operator(x))
    expected = spectral.values * spectral.from_signal(x)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


@every
def test_the_values_are_the_singular_values(operator, dtype):
    spectral = svd(operator, dtype)
    coords = spectral.from_signal(randn(operator.in_shape, dtype, batch=1))
    values = spectral.values.expand(coords.shape[1:]).flatten()
    if coords.is_complex() and not dtype.is_complex:
        values = values.repeat(2)  # each serves a real and an imaginary part
    expected = torch.linalg.svdvals(dense(operator, dtype))
    size = min(len(values), len(expected))
    found = values.sort(descending=True).values
    torch.testing.assert_close(found[:size], expected[:size].double(), rtol=1e-9, atol=1e-9)
    assert (found[size:] == 0).all()


@every
def test_white_noise_in_the_measurement_is_white_in_the_coordinates_seen(operator, dtype):
    spectral = svd(operator, dtype)
    y = operator(randn(operator.in_shape, dtype))
    basis = torch.eye(y[0].numel(), dtype=y.dtype).reshape(-1, *operator.out_shape)
    left = spectral.from_measurement(basis)
    seen = spectral.values.expand(left.shape[1:]).flatten() > 0
    if y.is_complex() and not left.is_complex():  # real coordinates of a complex measurement
        left = torch.cat([left, spectral.from_measurement(1j * basis)])
    left = left.flatten(1)
    gram = left.T @ left.conj()
    torch.testing.assert_close(gram, torch.diag(seen).to(gram.dtype), rtol=0, atol=1e-9)


@every
def test_single_precision_is_followed(operator, dtype):
    single = {torch.float64: torch.float32, COMPLEX: torch.complex64}[dtype]
    spectral = svd(operator, dtype)
    x = randn(operator.in_shape, single)
    coords = spectral.from_signal(x)
    expected = spectral.values.float() * coords
    found = spectral.from_measurement(operator(x))
    assert spectral.to_signal(coords).dtype == single
    assert found.dtype == coords.dtype
    assert (norm(found - expected) < 1e-4 * norm(x) * (1 + operator.norm())).all()


def test_most_operators_need_no_dense_matrix():
    families = ("identity", "mask", "matrix", "grey", "bayer", "take", "fourier", "scaled")
    families += ("blur, separable", "blur, a row", "downsample by", "downsample, box")
    assert {name for name in LINEAR if name.startswith(families)} <= set(CLOSED)
    assert {name for name in LINEAR if "blur" in name and "circular" in name} <= set(CLOSED)


def test_a_dense_decomposition_of_a_large_operator_is_refused():
    blur = Blur((3, 64, 64), random(3, 3), boundary="zero")
    with pytest.raises(TypeError, match=r"12288 elements are too many.*4096"):
        svd(blur)


def test_a_dense_decomposition_is_made_once():
    operator = Stacked([Matrix(random(2, 4)), Matrix(random(3, 4, seed=1))])
    assert svd(operator) is svd(operator)


def test_real_channels_under_a_complex_operator_that_mixes_them():
    tangled = Composed(Matrix(random(3, 2, dtype=COMPLEX)), ChannelsToComplex((4,)))
    stretched = Stacked([tangled, Mask(torch.ones(3)) @ tangled])
    spectral = svd(stretched)
    x = randn((4,), torch.float64)
    found = spectral.from_measurement(stretched(x))
    torch.testing.assert_close(found, spectral.values * spectral.from_signal(x))


def test_the_posterior_of_a_white_prior_is_closed_in_the_coordinates():
    """Mean of p(x | y) for x ~ N(0, 1) and noise of std s, both ways."""
    blur, s = Blur((1, 6, 7), random(3, 4), boundary="circular"), 0.3
    y = blur(randn(blur.in_shape, torch.float64))
    spectral = svd(blur)
    gain = spectral.values / (spectral.values**2 + s**2)
    mean = spectral.to_signal(gain * spectral.from_measurement(y))
    assert (norm(mean - blur.solve_normal(blur.adjoint(y), s**2)) < 1e-10 * norm(mean)).all()
