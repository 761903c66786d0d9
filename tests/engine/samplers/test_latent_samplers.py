"""Samplers of latents against the posterior in closed form, and against what they state.

With a linear decoder x = M z and z ~ N(0, I) the posterior of z given y = A x + n is Gaussian.
MEASURED holds, for 16 latents of 24 values and 8 numbers measured of them with singular values 1
to 0.2 (algorithms.md C.3.2 behind a decoder), 100 steps: (mean error in posterior standard
deviations, variance ratio where measured, where not). "lossy": A reads what the decoder cannot
make, too, and y holds some of it. A test that finds another number, better or worse, fails: then
the method has changed.
"""

from dataclasses import replace

import pytest
import torch
from problems import Copy, Dense, behind, load, orthonormal
from torch import Tensor

from restore.measurement.measurement import Measurement, simulate
from restore.measurement.noise import Gaussian, Poisson
from restore.measurement.operator import Operator
from restore.priors.exact import gaussian
from restore.samplers.latent.psld import _Glue
from restore.samplers.parts.latent_space import descend, misfit
from restore.sampling.loop import sample
from restore.testing.closed_forms import GaussianPosterior, gaussian_posterior

DOUBLE = torch.float64
LATENTS, VALUES, NUMBERS = 16, 24, 8
RANGE = orthonormal(VALUES, LATENTS)
PRIOR = behind(RANGE, gaussian(torch.zeros(LATENTS), 1.0))

MEASURED = {
    ("resample", 0.05, "whole"): (0.13, 0.83, 0.48),
    ("resample", 0.5, "whole"): (0.16, 0.48, 0.48),
    ("resample", 0.05, "lossy"): (0.16, 0.89, 0.48),
    ("psld", 0.05, "whole"): (0.96, 10.50, 0.90),
    ("psld", 0.5, "whole"): (0.18, 0.81, 0.90),
    ("latent-dps", 0.05, "whole"): (1.22, 17.40, 0.90),
    ("latent-dps", 0.5, "whole"): (0.12, 1.11, 0.90),
    ("stsl", 0.05, "whole"): (1.30, 18.60, 0.90),
    ("stsl", 0.5, "whole"): (0.12, 1.14, 0.90),
    ("latino", 0.05, "whole"): (0.03, 0.71, 0.83),
    ("latino", 0.5, "whole"): (0.04, 0.77, 0.83),
    ("latino", 0.05, "lossy"): (0.06, 0.92, 0.83),
}


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=DOUBLE)


def seen(std: float, kind: str = "whole") -> tuple[Measurement, GaussianPosterior, Tensor]:
    """The problem of the table, the exact posterior of z, and A M (8, 16)."""
    u, _, vh = torch.linalg.svd(draw(NUMBERS, LATENTS), full_matrices=False)
    through = u @ torch.diag(torch.linspace(1, 0.2, NUMBERS, dtype=DOUBLE)) @ vh
    outside = torch.eye(VALUES) - RANGE @ RANGE.T
    lost = 0.2 * draw(NUMBERS, VALUES, seed=1) @ outside if kind == "lossy" else 0.0
    operator = Dense(through @ RANGE.T + lost)
    x = RANGE @ draw(LATENTS, seed=2) + 0.3 * outside @ draw(VALUES, seed=3)
    measurement = simulate(operator, Gaussian(std), x)
    eye = torch.eye(LATENTS)
    truth = gaussian_posterior(torch.zeros(LATENTS), eye, through, measurement.y[0], std)
    return measurement, truth, through


def moments(z: Tensor, truth: GaussianPosterior, through: Tensor) -> tuple[float, float, float]:
    basis = torch.linalg.svd(through)[2]
    spread = (basis @ truth.covariance @ basis.T).diagonal()
    away = (z.double() - truth.mean) @ basis.T
    error = (away.mean(0) / spread.sqrt())[:NUMBERS].abs().mean().item()
    ratio = away.var(0) / spread
    return error, ratio[:NUMBERS].mean().item(), ratio[NUMBERS:].mean().item()


# against the exact posterior


@pytest.mark.parametrize(("name", "std", "kind"), list(MEASURED))
def test_the_bias_is_the_known_one(name, std, kind):
    """600 chains: 20 % of the numbers, or 0.05, is four Monte-Carlo errors and more."""
    measurement, truth, through = seen(std, kind)
    made = sample(measurement, PRIOR, load(name), chains=600, steps=100)
    found = moments(made.latents, truth, through)
    for value, known in zip(found, MEASURED[name, std, kind], strict=True):
        assert value == pytest.approx(known, rel=0.2, abs=0.05)


@pytest.mark.parametrize("std", [0.05, 0.5])
@pytest.mark.parametrize("kind", ["whole", "lossy"])
def test_latent_daps_has_the_moments_of_the_exact_posterior(std, kind):
    """250 chains: 3 % in a ratio of 8 directions; so few inner steps leave about as much."""
    measurement, truth, through = seen(std, kind)
    made = sample(measurement, PRIOR, load("latent-daps"), chains=250, steps=25)
    error, observed, unobserved = moments(made.latents, truth, through)
    assert error < 0.1
    assert 0.88 < observed < 1.12
    assert 0.88 < unobserved < 1.12


@pytest.mark.parametrize("name", ["dps", "stsl", "lgd", "tmpd", "cddb", "mpgd"])
def test_a_sampler_does_not_know_that_it_moves_latents(name):
    """Behind a linear decoder it does what it does on the product of the matrices."""
    measurement, _, through = seen(0.3)
    product = Measurement(measurement.y, Dense(through), measurement.noise)
    options = {"chains": 3, "steps": 12, "precision": "float64"}
    there = sample(measurement, PRIOR, load(name), **options)
    here = sample(product, replace(PRIOR, codec=None), load(name), **options)
    torch.testing.assert_close(there.latents, here.samples, rtol=1e-6, atol=1e-6)


def test_tmpd_is_exact_through_a_linear_decoder():
    measurement, truth, through = seen(0.5)
    made = sample(measurement, PRIOR, load("tmpd"), chains=600, steps=100, solver_steps=8)
    error, observed, unobserved = moments(made.latents, truth, through)
    # 600 chains: 2 % in a ratio; 100 ancestral steps are 10 % short
    assert error < 0.1 and 0.85 < observed < 1.1 and 0.85 < unobserved < 1.1


# where a fit ends


def test_resample_stops_at_the_decoder_s_floor_where_the_noise_is_below_it():
    """The whole signal is measured, a third of it out of the decoder's range: the least misfit
    is |(I - M M^T) y|^2 / (n std^2)."""
    std, outside = 0.05, torch.eye(VALUES) - RANGE @ RANGE.T
    x = RANGE @ draw(LATENTS, seed=2) + 0.3 * outside @ draw(VALUES, seed=3)
    measurement = simulate(Copy(torch.ones(VALUES)), Gaussian(std), x)
    floor = (outside @ measurement.y[0]).square().mean() / std**2
    assert floor > 5
    found = measurement.chi_square(sample(measurement, PRIOR, load("resample"), chains=20).samples)
    assert (found > 0.999 * floor).all() and (found < 1.15 * floor).all()


def test_resample_stops_at_the_noise_where_the_decoder_can_make_the_data():
    measurement, _, _ = seen(0.05)
    found = measurement.chi_square(sample(measurement, PRIOR, load("resample"), chains=50).samples)
    assert found.max() < 1.05  # 2 % is where a descent may stop
    assert found.mean() > 0.6  # and not fitted to the noise


def test_a_descent_comes_to_its_limit_from_above():
    measurement, _, _ = seen(0.05)
    objective, x = misfit(measurement), draw(5, VALUES, seed=8)
    found = objective(descend(objective, x, 1.0, steps=200))[0]
    assert ((found > 0.999) & (found < 1.03)).all()
    none = descend(objective, x, 1e6, steps=200)
    assert torch.equal(none, x)  # there is nothing to do
    before, last = objective(x)[0], objective(descend(objective, x, -1.0, steps=200))[0]
    assert (last < 1e-2 * before).all()  # a limit out of reach: as far down as it goes


@pytest.mark.parametrize("noise", [Gaussian(0.3), Gaussian(0.0), Poisson(20.0)])
def test_the_misfit_has_the_gradient_that_it_says(noise):
    operator = Dense(draw(5, VALUES, seed=4).abs())
    measurement = Measurement(operator(draw(1, VALUES).abs() + 1), operator, noise)
    x, along = draw(2, VALUES).abs() + 0.5, draw(2, VALUES, seed=1)
    value, gradient = misfit(measurement)(x)
    assert value.shape == (2,)
    if isinstance(noise, Poisson):  # its information is held: up to a factor, that of -log p
        expected = -measurement.score(x) * 2 / 5
        torch.testing.assert_close(gradient, expected)
        return
    step = 1e-6
    ahead, behind = (misfit(measurement)(x + s * along)[0] for s in (step, -step))
    slope = (gradient * along).flatten(1).sum(1)
    torch.testing.assert_close((ahead - behind) / (2 * step), slope, rtol=1e-5, atol=1e-5)


def test_latino_does_not_gather_what_its_codec_loses():
    """Nothing is measured, and encode(decode(z)) is 0.9 z: the samples have the prior's variance
    still (0.83 of it at 100 levels), where 0.9 at every level would leave 0.3."""
    leaky = replace(PRIOR, codec=replace(PRIOR.codec, encode=lambda x: 0.9 * (x @ RANGE.to(x))))
    measurement = Measurement(torch.zeros(VALUES), Copy(torch.zeros(VALUES)), Gaussian(1.0))
    made = sample(measurement, leaky, load("latino"), chains=100, steps=100)
    assert made.latents.var() == pytest.approx(0.84, abs=0.08)


# gluing


def test_the_glue_of_psld_is_pulled_back_by_true_adjoints():
    measurement, _, _ = seen(0.3, "lossy")
    decoder = PRIOR.codec.decoder((VALUES,))
    glue, z, v = _Glue(measurement, decoder), draw(3, LATENTS), draw(3, LATENTS, seed=1)
    a = measurement.operator.matrix
    power = torch.linalg.matrix_norm(a, 2) ** 2
    x = z @ RANGE.T
    expected = (x + (measurement.y - x @ a.T) @ a / power) @ RANGE - z
    # the norm is found by power iteration, to 1e-4
    torch.testing.assert_close(glue(z), expected, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(glue.vjp(z, v), Operator.vjp(glue, z, v))


def test_gluing_needs_an_adjoint():
    class Bent(Operator):
        def _forward(self, x):
            return x**3

    measurement = Measurement(torch.ones(VALUES), Bent((VALUES,), (VALUES,)), Gaussian(0.1))
    with pytest.raises(TypeError, match="psld glues by an adjoint"):
        sample(measurement, PRIOR, load("psld"), steps=2)
