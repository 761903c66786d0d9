"""Operators of other libraries keep the laws of ours; a prior goes the other way."""

import numpy as np
import pytest
import torch
from problems import load

import restore
from restore.measurement.foreign import from_deepinv, from_scipy
from restore.measurement.measurement import simulate
from restore.measurement.noise import Gaussian
from restore.measurement.operator import Operator
from restore.priors.exact import gaussian
from restore.priors.for_deepinv import as_deepinv_denoiser
from restore.sampling.loop import sample
from restore.testing import assert_adjoint, assert_linear, assert_normal, assert_solve_normal

LAWS = (assert_adjoint, assert_linear, assert_normal, assert_solve_normal)
MATRIX = np.random.default_rng(0).standard_normal((5, 6))


class Plain:
    """What PyLops, ASTRA's OpTomo and scipy have in common, and no more."""

    shape, dtype = (5, 6), np.dtype("float64")

    def matvec(self, x):
        assert x.dtype == self.dtype and x.shape == (6,)
        return MATRIX @ x

    def rmatvec(self, y):
        return MATRIX.T @ y


class Physics:
    """What a deepinv physics has."""

    def A(self, x):
        return 2 * x[:, :, ::2]

    def A_adjoint(self, y):
        x = y.new_zeros(len(y), 1, 4, 3)
        x[:, :, ::2] = 2 * y
        return x


def test_what_speaks_matvec_is_an_operator():
    operator = from_scipy(Plain(), (1, 2, 3), (5,))
    for law in LAWS:
        law(operator)
    x = torch.randn(2, 1, 2, 3, generator=torch.Generator().manual_seed(0)).double()
    torch.testing.assert_close(operator(x), x.flatten(1) @ torch.from_numpy(MATRIX).T)


def test_scipys_operators_are_ours():
    linalg = pytest.importorskip("scipy.sparse.linalg", reason="scipy is not installed")
    operator = from_scipy(linalg.aslinearoperator(MATRIX), (6,), (5,))
    for law in LAWS:
        law(operator)
    imaginary = from_scipy(linalg.aslinearoperator(MATRIX * (1 + 2j)), (6,), (5,))
    x, y = torch.randn(2, 6, dtype=torch.complex128), torch.randn(2, 5, dtype=torch.complex128)
    torch.testing.assert_close(
        (imaginary(x).conj() * y).sum(), (x.conj() * imaginary.adjoint(y)).sum()
    )


def test_pylops_operators_are_ours():
    pylops = pytest.importorskip("pylops", reason="pylops is not installed")
    operator = from_scipy(pylops.FirstDerivative(12, dtype="float64"), (12,), (12,))
    for law in LAWS:
        law(operator)


def test_derivatives_pass_through():
    operator = from_scipy(Plain(), (6,), (5,))
    x = torch.randn(2, 6, generator=torch.Generator().manual_seed(0)).double()
    v = torch.randn(2, 5, generator=torch.Generator().manual_seed(1)).double()
    torch.testing.assert_close(Operator.vjp(operator, x, v), operator.adjoint(v))
    ahead = torch.func.jvp(operator, (x,), (3 * x,))[1]
    torch.testing.assert_close(ahead, operator(3 * x))


@pytest.mark.parametrize("name", ["tmpd", "diffpir", "daps"])
def test_samplers_take_it(name):
    operator = from_scipy(Plain(), (6,), (5,))
    measurement = simulate(operator, Gaussian(0.1), torch.ones(6))
    made = sample(measurement, gaussian(torch.zeros(6), 1.0), load(name), chains=4, steps=20)
    assert measurement.chi_square(made.samples).mean() < 4


def test_what_is_no_operator_is_refused():
    with pytest.raises(TypeError, match="aslinearoperator"):
        from_scipy(MATRIX, (6,), (5,))
    with pytest.raises(ValueError, match="needs"):
        from_scipy(Plain(), (5,), (5,))
    with pytest.raises(TypeError, match="physics"):
        from_deepinv(MATRIX, (6,))
    with pytest.raises(ValueError, match="in_shape"):
        from_deepinv(Physics())


def test_a_physics_is_an_operator():
    operator = from_deepinv(Physics(), (1, 4, 3))
    assert operator.out_shape == (1, 2, 3)
    for law in LAWS:
        law(operator)


def test_a_physics_without_adjoint_is_not_linear():
    class Squared:
        img_size = (1, 2, 2)

        def A(self, x):
            return x**2

    operator = from_deepinv(Squared())
    x = torch.ones(1, 1, 2, 2)
    torch.testing.assert_close(operator.vjp(3 * x, x), 6 * x)


def _deepinv():
    try:
        return pytest.importorskip("deepinv", reason="deepinv is not installed")
    except RuntimeError as error:  # of a torchvision that does not fit
        pytest.skip(f"deepinv cannot be imported: {error}")


def test_deepinvs_physics_are_ours():
    deepinv = _deepinv()
    kept = (torch.arange(48).reshape(1, 6, 8) % 3 > 0).float()
    kernel = torch.ones(1, 1, 3, 3) / 9
    for physics in (
        deepinv.physics.Inpainting((1, 6, 8), mask=kept),
        deepinv.physics.Blur(kernel, padding="circular"),
        deepinv.physics.Downsampling((1, 6, 8), filter="bicubic", factor=2),
    ):
        operator = from_deepinv(physics, (1, 6, 8))
        for law in (assert_adjoint, assert_linear):
            law(operator, torch.float32)  # the precision of its numbers


def test_deepinv_denoises_with_a_prior():
    denoiser = as_deepinv_denoiser(gaussian(torch.zeros(1, 2, 2), 1.0))
    x = torch.ones(3, 1, 2, 2)
    for sigma in (0.5, torch.tensor([0.5]), torch.full((3,), 0.5), torch.full((3, 1, 1, 1), 0.5)):
        torch.testing.assert_close(denoiser(x, sigma), x / 1.25)
    each = denoiser(x, torch.tensor([0.0, 1.0, 2.0]))[:, 0, 0, 0]
    torch.testing.assert_close(each, torch.tensor([1.0, 0.5, 0.2]))
    with pytest.raises(ValueError, match="latents"):
        as_deepinv_denoiser(restore.latent(gaussian(torch.zeros(4), 1.0), torch.abs, torch.abs))
