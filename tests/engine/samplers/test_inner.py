"""Inner samples of p(y | z) N(z; centre, variance I), against the conditional in closed form."""

import math

import pytest
import torch
from direct import Complex, plain_noise
from problems import Copy, Dense, copying, sensing

from restore.measurement.measurement import Measurement, stack
from restore.measurement.noise import Gaussian, Poisson
from restore.measurement.operator import Operator
from restore.measurement.signal import ChainNoise
from restore.samplers.parts.covariance import Estimate
from restore.samplers.parts.inner_samples import draw, draw_shaped, hmc, langevin, metropolis, root
from restore.testing.closed_forms import gaussian_posterior

CHAINS = 2000


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def bases(samples, centre, covariance, measurement):
    """(largest |error of the mean| in standard deviations, variance ratios) in the eigenbasis."""
    matrix, std = measurement.operator.matrix, measurement.noise.std
    truth = gaussian_posterior(centre, covariance, matrix, measurement.y[0], std)
    powers, axes = torch.linalg.eigh(truth.covariance)
    away = (samples.double() - truth.mean) @ axes
    return (away.mean(0) / powers.sqrt()).abs().max(), away.var(0) / powers


def conditional(sampler, std, variance, **options):
    measurement, centre = sensing(std), normal(16)
    samples = sampler(
        measurement.to("cpu"), centre.expand(CHAINS, 16), variance, plain_noise(), **options
    )
    return bases(samples, centre, variance * torch.eye(16), measurement)


@pytest.mark.parametrize(("std", "variance"), [(0.05, 1.0), (0.05, 0.01), (0.5, 1.0)])
@pytest.mark.parametrize(("sampler", "steps"), [(draw, 0), (langevin, 100), (hmc, 20)])
def test_samples_have_the_moments_of_the_gaussian_conditional(sampler, steps, std, variance):
    """Monte Carlo: 0.022 in a mean, 3.2 % in a ratio; the stiffest is 400 times the softest."""
    error, ratios = conditional(sampler, std, variance, steps=steps)
    assert error < 0.1
    assert ((ratios > 0.88) & (ratios < 1.12)).all()


def test_metropolis_steps_get_there_where_the_data_are_weak():
    error, ratios = conditional(metropolis, 1.0, 1.0, steps=100)
    assert error < 0.12
    assert ((ratios > 0.88) & (ratios < 1.15)).all()


def test_more_metropolis_steps_come_nearer():
    errors = [conditional(metropolis, 0.3, 1.0, steps=steps)[0] for steps in (10, 40, 160)]
    assert errors[0] > 1.5 * errors[1] > 3 * errors[2]


# not linear, not Gaussian: against quadrature in one dimension


class Curve(Operator):
    """y = f(x), one number."""

    def __init__(self, f):
        super().__init__((1,), (1,))
        self.f = f

    def _forward(self, x):
        return self.f(x)


CURVES = [
    (lambda x: x + 0.3 * x**3, Gaussian(0.2), 1.5, 0.4, 1.0),
    (lambda x: x + 0.3 * x**3, Gaussian(1.0), 1.5, 0.4, 1.0),
    (torch.exp, Poisson(10.0), 1.6, 0.0, 1.0),
    (lambda x: 1 * x, Poisson(5.0), 2.0, 1.5, 0.5),
]


@pytest.mark.parametrize("case", range(len(CURVES)))
@pytest.mark.parametrize(("sampler", "steps"), [(langevin, 50), (hmc, 20), (metropolis, 50)])
def test_samples_have_the_moments_of_a_curved_conditional(sampler, steps, case):
    """No accept step corrects the first two: up to 0.06 standard deviations, 5 % of one."""
    f, noise, y, centre, variance = CURVES[case]
    measurement = Measurement(torch.tensor([[y]]), Curve(f), noise)
    grid = torch.linspace(-6, 12, 20001, dtype=torch.float64)[:, None]
    log = measurement.log_likelihood(grid) - (grid[:, 0] - centre) ** 2 / (2 * variance)
    weight, grid = torch.softmax(log, 0), grid[:, 0]
    mean = weight @ grid
    std = (weight @ (grid - mean) ** 2).sqrt()
    z = sampler(measurement, torch.full((4000, 1), centre), variance, plain_noise(), steps=steps)
    assert abs(z.mean() - mean) / std < 0.1
    assert 0.92 < z.std() / std < 1.08


@pytest.mark.parametrize("sampler", [langevin, hmc])
def test_a_steep_wall_does_not_throw_chains_away(sampler):
    """The curvature at the start says nothing of the wall of x^7 further out."""
    steep = Measurement(torch.zeros(1, 1), Curve(lambda x: x**7), Gaussian(0.1))
    z = sampler(steep, torch.zeros(500, 1), 4.0, plain_noise(), steps=200)
    assert torch.isfinite(z).all()
    assert z.abs().max() < 8  # four standard deviations of the prior's, as far as it goes itself


# forms of measurements


@pytest.mark.parametrize("sampler", [draw, langevin, hmc, metropolis])
def test_each_observation_of_a_stack_is_its_own(sampler):
    first, second = copying(0.1, seed=0).to("cpu"), copying(0.4, seed=1).to("cpu")
    second = Measurement(second.y, Copy((torch.arange(6) % 3 == 0).float()), second.noise)
    centre = normal(1, 6).expand(6, 6)
    together = sampler(stack([first, second]), centre, 0.5, ChainNoise(0, [0, 1, 2] * 2), steps=10)
    for part, alone in ((slice(0, 3), first), (slice(3, 6), second)):
        single = sampler(alone, centre[part], 0.5, ChainNoise(0, [0, 1, 2]), steps=10)
        torch.testing.assert_close(together[part], single, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("sampler", [langevin, hmc, metropolis])
def test_complex_measurements_are_real_ones_of_two_parts(sampler):
    matrix, y = normal(4, 6, seed=2), normal(1, 4, seed=3)
    whole = Measurement(y, Dense(matrix), Gaussian(0.5))
    halves = Measurement(torch.complex(*y.chunk(2, 1)), Complex(matrix), Gaussian(0.5))
    a, b = (
        sampler(m, normal(1, 6).expand(200, 6), 0.5, plain_noise(), steps=20)
        for m in (whole, halves)
    )
    torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("sampler", [langevin, hmc, metropolis])
def test_a_measurement_without_noise_has_no_density(sampler):
    exact = Measurement(torch.zeros(1, 6), Copy(torch.ones(6)), Gaussian(0.0))
    with pytest.raises(ValueError, match="density"):
        sampler(exact, torch.zeros(2, 6), 1.0, plain_noise(), steps=2)


# a covariance of any shape


def test_lanczos_finds_the_root():
    matrix = torch.diag(torch.logspace(-3, 1, 12))
    v = normal(5, 12)
    error = [
        (root(lambda z: z @ matrix, v, steps=steps) - v @ matrix.sqrt()).norm() / v.norm()
        for steps in (4, 8, 20)
    ]
    assert error[0] > 10 * error[1] > 100 * error[2]
    assert error[2] < 1e-4  # float32, as many steps as eigenvalues


def test_the_root_of_a_multiple_of_one_needs_one_step():
    v = normal(3, 2, 4)
    torch.testing.assert_close(root(lambda z: 4 * z, v, steps=5), 2 * v)


def test_shaped_samples_have_the_moments_of_the_gaussian_conditional():
    measurement, centre, factor = sensing(0.3), normal(16), normal(16, 16, seed=1)
    covariance = factor @ factor.T / 16 + 0.1 * torch.eye(16)
    estimate = Estimate(centre.expand(CHAINS, 16), lambda v: v @ covariance)
    samples = draw_shaped(measurement.to("cpu"), estimate, plain_noise())
    error, ratios = bases(samples, centre, covariance, measurement)
    assert error < 0.1
    assert ((ratios > 0.88) & (ratios < 1.12)).all()


def test_shaped_samples_need_a_linear_gaussian_measurement():
    counts = Measurement(torch.ones(1, 6), Copy(torch.ones(6)), Poisson(10.0))
    with pytest.raises(TypeError, match="linear"):
        draw_shaped(counts, Estimate(torch.ones(2, 6), lambda v: v), plain_noise())


def test_draw_is_langevin_where_nothing_is_closed():
    counts = Measurement(torch.ones(1, 6), Copy(torch.ones(6)), Poisson(10.0))
    centre = torch.ones(3, 6)
    torch.testing.assert_close(
        draw(counts, centre, 0.1, plain_noise(), steps=7),
        langevin(counts, centre, 0.1, plain_noise(), steps=7),
    )
    assert math.isfinite(draw(counts, centre, 0.1, plain_noise()).sum())
