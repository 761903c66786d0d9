"""Free Hunch: its covariance and its samples, against closed forms and dense linear algebra."""

import pytest
import torch
from problems import Copy, load, sensing

from restore.measurement.measurement import simulate
from restore.measurement.noise import Gaussian
from restore.priors.exact import gaussian, mixture
from restore.samplers.integrators.integrators import heun
from restore.samplers.parts.covariance import jacobian
from restore.samplers.parts.hunch import Hunch, cosines, power_law, signals
from restore.sampling.loop import sample
from restore.testing.cases import Dense
from restore.testing.closed_forms import gaussian_posterior

SHAPE = (1, 6, 5)
N = 30


def randn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).double()


def stationary(spectrum):
    """The covariance (n, n) of signals whose cosines have these variances."""
    axes = signals(torch.eye(spectrum.numel()).double().reshape(-1, *spectrum.shape)).flatten(1)
    return axes.T @ (spectrum.flatten()[:, None] * axes)


def falling(slope=2.0, variance=0.7, shape=SHAPE):
    """The variances of cosines that fall with a power of frequency."""
    squares = torch.zeros(()).double()
    for n in shape[1:]:
        squares = squares[..., None] + (torch.arange(n).double().clamp(min=0.5) / n) ** 2
    spectrum = squares ** (-slope / 2)
    return (variance * spectrum / spectrum.mean()).expand(shape)


def field(slope=2.0):
    """A Gaussian signal with such cosines."""
    return gaussian(randn(*SHAPE, seed=1), stationary(falling(slope)))


def holes(std=0.3):
    return simulate(Copy((randn(*SHAPE, seed=2) > 0).double()), Gaussian(std), randn(*SHAPE))


@pytest.mark.parametrize("shape", [(6,), (1,), (1, 8, 5), (3, 7, 4), (2, 9)])
def test_cosines_are_the_orthonormal_ones(shape):
    """By their definition, along each axis but the channels'."""
    x = randn(2, *shape)
    expected = x
    for axis in range(min(1, len(shape) - 1), len(shape)):
        i = torch.arange(shape[axis]).double()
        matrix = torch.cos(torch.pi * i[:, None] * (2 * i + 1) / (2 * shape[axis]))
        matrix = matrix / matrix.norm(dim=1, keepdim=True)
        expected = (expected.movedim(axis + 1, -1) @ matrix.T).movedim(-1, axis + 1)
    torch.testing.assert_close(cosines(x), expected)
    torch.testing.assert_close(signals(cosines(x)), x)


@pytest.mark.parametrize("slope", [0.0, 1.0, 2.9])
@pytest.mark.parametrize("shape", [SHAPE, (3, 6, 5), (1, 12)])
def test_a_power_law_is_found_in_the_law_of_its_prior(slope, shape):
    spectrum = falling(slope, shape=shape)
    law = gaussian(torch.zeros(shape), spectrum).variance  # the values' axes do not matter to it
    torch.testing.assert_close(power_law(torch.Size(shape), law), spectrum)


def test_the_hunch_of_a_gaussian_is_its_covariance_at_every_level():
    """Time updates alone, and with the space updates, which then change nothing."""
    prior, spectrum, v = field(), falling(), randn(3, *SHAPE, seed=4)
    for most in (0, 8):
        hunch = Hunch(spectrum, most)
        for step, sigma in enumerate((5.0, 2.0, 0.7, 0.1)):
            x = sigma * randn(3, *SHAPE, seed=step)
            found = hunch(prior.denoise, x, sigma).times(v)
            torch.testing.assert_close(found, jacobian(prior.denoise, x, sigma).times(v))
        assert hunch.memory[3].shape[-1] == (6 if most else 0)


def test_space_updates_find_the_covariance_of_a_gaussian_that_was_not_guessed():
    """After n of them in n directions C is right, whatever it was at first: a law of BFGS."""
    root = randn(6, 6, seed=7)
    prior = gaussian(randn(6), root @ root.T / 6 + 0.1 * torch.eye(6))
    hunch, v = Hunch(torch.full((6,), 0.5).double(), 40), randn(2, 6, seed=4)
    off = []
    for step, sigma in enumerate(torch.linspace(3.0, 0.6, 40).tolist()):
        x = sigma * randn(2, 6, seed=step)
        wanted = jacobian(prior.denoise, x, sigma).times(v)
        off.append((hunch(prior.denoise, x, sigma).times(v) - wanted).norm() / wanted.norm())
    assert off[0] > 0.1
    assert off[-1] < 0.02


def test_the_newest_secant_holds():
    """C s = q: what two calls at one level differ by, on a prior that is not Gaussian."""
    prior = mixture(torch.tensor([0.4, 0.6]), randn(2, 6), 0.5)
    hunch, x = Hunch(torch.ones(6).double(), 8), randn(3, 6, seed=2)
    places = x, x + randn(3, 6, seed=3), x + randn(3, 6, seed=4)
    means = []
    for place in places:
        estimate = hunch(prior.denoise, place, 0.8)
        means.append(estimate.denoised)
    torch.testing.assert_close(
        estimate.times(places[2] - places[1]), 0.8**2 * (means[2] - means[1]), rtol=1e-6, atol=1e-8
    )


def test_a_level_above_the_last_begins_anew():
    prior, hunch = mixture(torch.tensor([0.4, 0.6]), 3 * randn(2, 6), 0.5), Hunch(torch.ones(6), 8)
    for step, sigma in enumerate((3.0, 1.0, 0.5, 2.0)):
        v = randn(1, 6, seed=9)
        estimate = hunch(prior.denoise, randn(1, 6, seed=step), sigma)
    torch.testing.assert_close(estimate.times(v), v / (1 + 1 / 2.0**2))


@pytest.mark.parametrize(
    "measured",
    [holes(), simulate(Dense(randn(12, N, seed=5) / 5, SHAPE), Gaussian(0.2), randn(*SHAPE))],
    ids=("holes", "sums"),
)
def test_samples_of_a_gaussian_field_have_the_moments_of_its_posterior(measured):
    """Heun's 60 steps, 300 chains: four standard errors, and 3 % of the steps."""
    drawn = (
        sample(measured, field(), load("free-hunch"), chains=300, steps=60, integrator=heun)
        .samples.flatten(1)
        .double()
    )
    eye = torch.eye(N).double().reshape(N, *SHAPE)
    matrix = measured.operator(eye).flatten(1).T
    truth = gaussian_posterior(
        randn(*SHAPE, seed=1).flatten(), stationary(falling()), matrix,
        measured.y.flatten(), measured.noise.std,
    )  # fmt: skip
    std = truth.covariance.diagonal().sqrt()
    assert ((drawn.mean(0) - truth.mean) / std).abs().max() < 4 / 300**0.5 + 0.03
    assert (drawn.var(0) / std**2 - 1).abs().max() < 4 * (2 / 300) ** 0.5 + 0.06


def test_on_white_priors_it_is_tmpd():
    prior, measured = gaussian(torch.zeros(16), 1.0), sensing(0.3)
    options = {"chains": 3, "steps": 20, "precision": "float64", "solver_steps": 20}
    torch.testing.assert_close(
        sample(measured, prior, load("free-hunch"), **options).samples,
        sample(measured, prior, load("tmpd"), **options).samples,
        rtol=1e-2,
        atol=1e-2,  # of the solves: residuals of 1e-3 and 1e-4
    )


def test_no_gradient_is_taken():
    made = sample(sensing(0.5), gaussian(torch.zeros(16), 1.0), load("free-hunch"), steps=12)
    assert (made.provenance["calls"], made.provenance["pullbacks"]) == (12, 0)
