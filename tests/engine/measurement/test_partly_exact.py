"""Measurements of which some values have no noise: what every part of the engine makes of them."""

import pytest
import torch
from problems import Copy, Dense, load

from restore.measurement.measurement import FLOOR, Measurement, simulate, stack
from restore.measurement.noise import Gaussian, Poisson
from restore.measurement.signal import ChainNoise
from restore.priors.exact import gaussian
from restore.samplers.parts.coordinates import coordinates
from restore.samplers.parts.descent import fits, uphill
from restore.samplers.parts.safe_steps import steepest_step
from restore.sampling.auto import choose_sampler
from restore.sampling.loop import sample
from restore.sampling.watchers import Trace

KEPT = torch.tensor([1.0, 1.0, 0.0, 1.0, 1.0, 0.0]).double()
STD = torch.tensor([[0.0, 0.1, 0.0, 0.1, 0.0, 0.1]]).double()
TRUTH = torch.tensor([0.3, -1.2, 0.7, 1.1, -0.4, 0.2]).double()


def holes() -> Measurement:
    return simulate(Copy(KEPT), Gaussian(STD), TRUTH, seed=1)


def dense() -> Measurement:
    generator = torch.Generator().manual_seed(3)
    matrix = torch.randn(4, 6, generator=generator, dtype=torch.float64)
    return simulate(Dense(matrix), Gaussian(STD[:, :4]), TRUTH, seed=1)


def posterior(measurement: Measurement, x: torch.Tensor, variance: float):
    """Mean and covariance of p(z | y) for z ~ N(x, variance I), with K = v A A^H + std^2."""
    matrix = measurement.operator(torch.eye(6, dtype=torch.float64)).T
    std = measurement.noise.std[0]
    inverse = torch.linalg.pinv(variance * matrix @ matrix.T + torch.diag(std**2))
    gain = variance * matrix.T @ inverse
    mean = x + (measurement.y[0] - matrix @ x) @ gain.T
    return mean, variance * (torch.eye(6) - gain @ matrix)


@pytest.mark.parametrize("measurement", [holes(), dense()], ids=["holes", "dense"])
@pytest.mark.parametrize("variance", [0.01, 0.5, 30.0])
def test_the_proximal_step_is_that_of_the_closed_form(measurement, variance):
    x = torch.linspace(-1, 1, 6, dtype=torch.float64)
    expected, _ = posterior(measurement, x, variance)
    found = measurement.proximal(x[None], variance)[0]
    # the floor moves each number by a millionth of its way, times the condition of A A^H
    torch.testing.assert_close(found, expected, rtol=0, atol=100 * FLOOR * (expected - x).norm())
    each = measurement.proximal(x.expand(2, 6), torch.tensor([variance, 1.0]).double())
    torch.testing.assert_close(each[0], found, rtol=0, atol=1e-5)


def test_inner_samples_have_the_law_of_the_closed_form():
    x, variance = torch.zeros(6).double(), 0.5
    mean, covariance = posterior(holes(), x, variance)
    draws = holes().draw_proximal(x.expand(20_000, 6), variance, ChainNoise(0, [0]))
    # 20 000 draws: standard errors 0.7 % of a std, 1 % of a variance; without noise, the floor
    std = covariance.diagonal().clamp(min=0).sqrt()
    assert ((draws.mean(0) - mean).abs() < 0.035 * std + 1e-5).all()
    assert ((draws.var(0) - std**2).abs() < 0.06 * std**2 + 2 * FLOOR * variance).all()


def test_chi_square_counts_what_was_measured_with_noise():
    x = TRUTH[None] + 0.2
    expected = (holes().residual(x)[0, [1, 3]] / 0.1).square().mean()
    torch.testing.assert_close(holes().chi_square(x), expected[None])
    assert Measurement(holes().y, Copy(KEPT), Gaussian(0.0)).chi_square(x).isinf().all()


def test_a_noise_says_once_whether_it_has_a_density_and_whether_there_is_any():
    said = [(n.has_density, n.noise_free) for n in (Gaussian(0.1), Gaussian(STD), Gaussian(0.0))]
    assert said == [(True, False), (False, False), (False, True)]
    assert Poisson(9.0).has_density and not Poisson(9.0).noise_free
    with pytest.raises(ValueError, match="no density"):
        holes().log_likelihood(TRUTH[None])


def test_observations_with_and_without_noise_are_stacked():
    exact, noisy = (simulate(Copy(KEPT), Gaussian(s), TRUTH, seed=1) for s in (0.0, 0.1))
    x = torch.zeros(4, 6).double()
    found = stack([exact, noisy]).proximal(x, 0.5)
    expected = torch.cat([m.proximal(x[:2], 0.5) for m in (exact, noisy)])
    torch.testing.assert_close(found, expected)


def test_steps_down_the_likelihood_are_finite():
    for measurement in (holes(), dense()):
        x = TRUTH[None] + 0.2
        assert uphill(measurement, x).isfinite().all()
        step = steepest_step(measurement, x, 0.5)
        away = [measurement.residual(z)[0, 0].abs() for z in (x + step, x)]
        assert step.isfinite().all() and away[0] < away[1]  # what has no noise comes first
        assert fits(measurement, TRUTH[None] + 10.0).logical_not().all()


def test_coordinates_have_the_levels_of_their_values():
    basis = coordinates(holes(), torch.zeros(1, 6).double())
    scale = holes().power(holes().y).sqrt().item()
    level = torch.tensor([FLOOR**0.5 * scale, 0.1, torch.inf, 0.1, FLOOR**0.5 * scale, torch.inf])
    torch.testing.assert_close(basis.level[0], level.double())
    torch.testing.assert_close(basis.y[0], torch.where(KEPT > 0, holes().y[0], 0))


LINEAR = [
    "dps", "pigdm", "tmpd", "mcg", "dmps", "lgd", "cddb", "tfg", "stsl",
    "daps", "diffpir", "pnp-dm", "red-diff", "dcdp", "sitcom", "ald",
    "freedom", "mpgd", "kadkhodaie-simoncelli", "ilvr", "dmplug",
    "repaint", "projection", "ddrm", "ddnm", "ddnm-plus", "snips", "score-mri", "dds",
]  # fmt: skip


@pytest.mark.parametrize("name", LINEAR)
def test_samplers_meet_what_has_no_noise(name):
    """Nearer than half of the prior's width; the mean of 20 chains."""
    prior, trace = gaussian(torch.zeros(6), 1.0), Trace(holes())
    samples = sample(
        holes().to("cpu"), prior, load(name), chains=20, steps=50, watch=[trace]
    ).samples
    away = (samples.mean(0).double() - TRUTH)[[0, 4]].abs()
    assert (away < 0.5).all()
    assert trace.rows[-1]["chi_square"] is not None


@pytest.mark.parametrize("name", ["pigdm", "tmpd", "daps", "repaint", "ddnm", "snips"])
def test_samplers_have_the_mean_of_the_exact_posterior(name):
    prior = gaussian(torch.zeros(6), 1.0)
    samples = sample(holes().to("cpu"), prior, load(name), chains=200, steps=100).samples.double()
    mean, covariance = posterior(holes(), torch.zeros(6).double(), 1.0)
    std = covariance.diagonal().clamp(min=0).sqrt()
    # 200 chains: a standard error of 0.07 std. Without noise the last level, 2e-3, is left
    assert ((samples.mean(0) - mean).abs() < 0.3 * std + 1e-3).all()
    assert (samples.std(0)[[0, 4]] < 5e-3).all()


def test_auto_takes_nothing_that_needs_a_density():
    assert choose_sampler(holes(), gaussian(torch.zeros(6), 1.0)).name == "tmpd"
    for name in ("tds", "fps", "enkg", "daps-mh", "daps-hmc", "pnp-ula"):
        with pytest.raises(ValueError, match=r"std must be positive|noise of std 0"):
            sample(holes(), gaussian(torch.zeros(6), 1.0), load(name), steps=4)
