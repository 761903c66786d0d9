"""Noise that is not Gaussian: its draws, its density and its score say the same law."""

import functools
import math
from dataclasses import dataclass

import pytest
import torch
from direct import run
from problems import Dense, load
from torch import Tensor

from restore.measurement.measurement import Measurement, simulate
from restore.measurement.noise import Gaussian, NoiseModel, Poisson
from restore.measurement.not_gaussian import (
    Clipped,
    LogSpeckle,
    Quantised,
    Rician,
    Speckle,
    Transmission,
)
from restore.measurement.signal import ChainNoise
from restore.priors.exact import gaussian

DOUBLE = torch.float64


@dataclass(frozen=True)
class Law:
    """A noise at one clean value, and what y may be: values and their weights in an integral."""

    noise: NoiseModel
    clean: float
    values: Tensor
    weights: Tensor

    @property
    def density(self) -> Tensor:
        y = self.values[:, None]
        return self.noise.log_prob(y, torch.full_like(y, self.clean)).exp()

    def draws(self, count: int) -> Tensor:
        clean = torch.full((1, count), self.clean, dtype=DOUBLE)
        return self.noise.draw(clean, ChainNoise(0, [0]))[0]


def between(low: float, high: float, count: int = 400_001) -> tuple[Tensor, Tensor]:
    """Points of a trapezoidal integral."""
    values = torch.linspace(low, high, count, dtype=DOUBLE)
    weights = torch.full_like(values, (high - low) / (count - 1))
    weights[0] = weights[-1] = 0.5 * weights[0]
    return values, weights


def atoms(values: Tensor) -> tuple[Tensor, Tensor]:
    return values, torch.ones_like(values)


def counted(photons: float, most: int = 400) -> tuple[Tensor, Tensor]:
    counts = torch.arange(most, dtype=DOUBLE).clamp(min=0.5)
    return atoms(-(counts / photons).log())


def measured(photons: float, most: float = 700.0) -> tuple[Tensor, Tensor]:
    """Counts that the read-out's noise has made real numbers, of which log p is the density."""
    counts, weights = between(1.0, most)
    return -(counts / photons).log(), weights


def clipped(low: float, high: float) -> tuple[Tensor, Tensor]:
    """Two atoms and what lies between them."""
    edge = 1e-9
    values, weights = between(low + edge, high - edge)
    ends = torch.tensor([low, high], dtype=DOUBLE)
    return torch.cat([ends, values]), torch.cat([torch.ones(2, dtype=DOUBLE), weights])


def steps(step: float) -> tuple[Tensor, Tensor]:
    return atoms(step * torch.arange(-400, 401, dtype=DOUBLE))


LAWS = {
    "poisson": Law(Poisson(20.0), 0.7, *atoms(torch.arange(100, dtype=DOUBLE) / 20)),
    "poisson, few": Law(Poisson(20.0), 0.01, *atoms(torch.arange(60, dtype=DOUBLE) / 20)),
    "transmission": Law(Transmission(50.0), 0.9, *counted(50.0)),
    "transmission, starved": Law(Transmission(50.0), 5.0, *counted(50.0)),
    "transmission, electronic": Law(Transmission(1000.0, 6.0), 0.9, *measured(1000.0)),
    "rician": Law(Rician(0.3), 0.8, *between(0, 6)),
    "rician, no signal": Law(Rician(0.3), 0.0, *between(0, 6)),
    "speckle": Law(Speckle(1.0), 1.3, *between(1e-9, 100)),
    "speckle, looks": Law(Speckle(4.5), 1.3, *between(0, 60)),
    "log speckle": Law(LogSpeckle(1.0), -0.4, *between(-60, 10)),
    "log speckle, decibels": Law(LogSpeckle(3.0, 10 / math.log(10)), 40.0, *between(-60, 70)),
    "quantised": Law(Quantised(0.05, 0.125), 0.3, *steps(0.125)),
    "quantised, finely": Law(Quantised(0.3, 0.01), -0.2, *steps(0.01)),
    "clipped": Law(Clipped(0.4), 0.8, *clipped(0.0, 1.0)),
    "clipped, far": Law(Clipped(0.4, -1.0, 2.0), -1.3, *clipped(-1.0, 2.0)),
}
every = pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
NOISES = list({str(law.noise): law.noise for law in LAWS.values()}.values())
each_noise = pytest.mark.parametrize("noise", NOISES, ids=str)


@every
def test_the_density_is_normalised(law):
    assert abs((law.weights @ law.density).item() - 1) < 1e-6


@every
def test_draws_have_the_moments_of_the_density(law):
    y, share = law.draws(40_000), law.weights * law.density
    for moment in (lambda y: y, lambda y: y**2, lambda y: (y > law.clean).double()):
        mean = (share @ moment(law.values)).item()
        spread = (share @ (moment(law.values) - mean) ** 2).sqrt().item()
        # 40 000 draws: four standard errors
        assert abs(moment(y).mean().item() - mean) < 4 * spread / 200 + 1e-9


def test_draws_have_the_moments_of_the_books():
    rate = 50 * math.exp(-0.9)
    counts = 50 * torch.exp(-LAWS["transmission"].draws(40_000))
    assert counts.mean().item() == pytest.approx(rate, rel=0.01)
    assert counts.var().item() == pytest.approx(rate, rel=0.04)
    magnitude = LAWS["rician"].draws(40_000)
    assert magnitude.square().mean().item() == pytest.approx(0.8**2 + 2 * 0.3**2, rel=0.01)
    speckle = LAWS["speckle, looks"].draws(40_000)
    assert speckle.mean().item() == pytest.approx(1.3, rel=0.01)
    assert speckle.var().item() == pytest.approx(1.3**2 / 4.5, rel=0.04)
    log = LAWS["log speckle"].draws(40_000)
    assert log.mean().item() == pytest.approx(-0.4 - 0.5772, abs=0.03)
    assert log.var().item() == pytest.approx(math.pi**2 / 6, rel=0.05)
    noisy = 1000 * torch.exp(-LAWS["transmission, electronic"].draws(40_000))
    assert noisy.mean().item() == pytest.approx(1000 * math.exp(-0.9), rel=0.01)
    assert noisy.var().item() == pytest.approx(1000 * math.exp(-0.9) + 6**2, rel=0.04)
    starved = LAWS["transmission, starved"].draws(40_000)
    share = (starved > math.log(1.5 * 50)).double().mean().item()
    assert share == pytest.approx(math.exp(-50 * math.exp(-5.0)), abs=0.01)
    at_the_end = (LAWS["clipped"].draws(40_000) == 1).double().mean().item()
    assert at_the_end == pytest.approx(0.5 * math.erfc(0.5 / 2**0.5), abs=0.01)


@every
def test_the_score_is_the_slope_of_the_density(law):
    y = law.draws(40)[None]
    offsets = torch.linspace(-3, 3, 40, dtype=DOUBLE)  # also where no such y would come from
    clean, step = law.clean + offsets[None], 1e-6
    slope = torch.stack([
        (law.noise.log_prob(y[:, [i]], clean[:, [i]] + step)
         - law.noise.log_prob(y[:, [i]], clean[:, [i]] - step)) / (2 * step)
        for i in range(40)
    ], 1)  # fmt: skip
    score = law.noise.score(y, clean)
    # a kink within a step of the point is none of these; rounding of log p divided by the step
    torch.testing.assert_close(score, slope, rtol=1e-4, atol=1e-4 * (1 + score.abs().max().item()))


def test_a_complex_magnitude_has_a_score_of_both_parts():
    noise, clean = Rician(0.3), torch.tensor([[0.6 - 0.3j]], dtype=torch.complex128)
    y = torch.tensor([[0.9]], dtype=DOUBLE)
    for part in (1.0, 1.0j):
        rise = noise.log_prob(y, clean + 1e-6 * part) - noise.log_prob(y, clean - 1e-6 * part)
        slope = (noise.score(y, clean) * torch.tensor(part).conj()).real
        torch.testing.assert_close(slope[0], rise / 2e-6, rtol=1e-5, atol=1e-5)


@every
def test_the_information_is_the_mean_square_of_the_score(law):
    y = law.draws(20_000)[None]
    clean = torch.full_like(y, law.clean)
    square = law.noise.score(y, clean).square().mean()
    stated = law.noise.information(y, clean).mean()
    # a scale to measure scores by: an upper bound, within an order of magnitude
    assert 0.9 * square < stated
    assert stated < 12 * square or law.clean == 0  # at no signal a magnitude says nothing


@each_noise
def test_extreme_values_have_finite_densities_and_scores(noise):
    far = torch.tensor([-1e6, -30.0, -1.0, 0.0, 1e-6, 1.0, 30.0, 1e6])
    y = torch.tensor([0.0, 1e-3, 1.0, 8.0])
    if isinstance(noise, Clipped):
        y = y.clamp(noise.low, noise.high)
    pairs = torch.cartesian_prod(y, far)
    log_prob = noise.log_prob(pairs[:, :1], pairs[:, 1:])
    score = noise.score(pairs[:, :1], pairs[:, 1:])
    assert log_prob.dtype == score.dtype == torch.float32
    assert torch.isfinite(log_prob).all() and torch.isfinite(score).all()
    assert torch.isfinite(noise.information(pairs[:, :1], pairs[:, 1:])).all()


@each_noise
def test_rows_do_not_depend_on_each_other(noise):
    clean = torch.rand(3, 5, generator=torch.Generator().manual_seed(0), dtype=DOUBLE) + 0.2
    together = noise.draw(clean, ChainNoise(0, [0, 1, 2]))
    for row in range(3):
        alone = noise.draw(clean[row : row + 1], ChainNoise(0, [row]))
        assert torch.equal(alone[0], together[row])
        one = slice(row, row + 1)
        assert torch.equal(
            noise.log_prob(together[one], clean[one]), noise.log_prob(together, clean)[one]
        )


@pytest.mark.parametrize(
    "make", [Transmission, Rician, lambda level: Quantised(level, 0.1), Clipped, Gaussian]
)
def test_observations_may_have_levels_of_their_own(make):
    levels = torch.tensor([[0.5], [2.0], [7.0]], dtype=DOUBLE)
    noise = make(levels)
    clean = torch.full((6, 4), 0.4, dtype=DOUBLE)  # two chains of each observation
    y = make(1.0).draw(clean[:3], ChainNoise(0, [0, 1, 2])).repeat_interleave(2, 0)
    together = noise.log_prob(y, clean), noise.score(y, clean)
    for i in range(3):
        rows = slice(2 * i, 2 * i + 2)
        for one in (make(levels[i].item()), noise.select(i, i + 1)):
            torch.testing.assert_close(one.log_prob(y[rows], clean[rows]), together[0][rows])
            torch.testing.assert_close(one.score(y[rows], clean[rows]), together[1][rows])


@pytest.mark.parametrize("electronic", [0.0, 60.0])
def test_a_transmission_is_nearly_gaussian_where_many_photons_arrive(electronic):
    noise, clean = Transmission(1e5, electronic), torch.full((1, 3), 2.0, dtype=DOUBLE)
    y = noise.draw(clean, ChainNoise(0, [0]))
    near = noise.gaussian(y)
    assert near.std.shape == y.shape
    std = near.std.mean().item()
    for shift in (-1, 0, 1):
        exact, approximate = (n.score(y, y + shift * std) * std for n in (noise, near))
        torch.testing.assert_close(exact, approximate, atol=0.01, rtol=0)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Transmission(0.0), lambda: Transmission(9.0, -1.0),
        lambda: Rician(-1.0), lambda: Speckle(math.nan),
        lambda: LogSpeckle(1.0, 0.0), lambda: Quantised(0.1, 0.0), lambda: Clipped(0.1, 1.0, 1.0),
        lambda: Clipped(0.0), lambda: Poisson(math.inf),
    ],
)  # fmt: skip
def test_levels_that_make_no_law_are_refused(wrong):
    with pytest.raises(ValueError):
        wrong()


# three values measured through two sums: p(x | y) by weights on 100 000 draws of the prior
MEAN = torch.tensor([1.0, 1.2, 0.8], dtype=DOUBLE)
COVARIANCE = torch.tensor([[0.09, 0.03, 0.0], [0.03, 0.09, 0.02], [0.0, 0.02, 0.06]], dtype=DOUBLE)
SUMS = Dense(torch.tensor([[0.8, 0.3, 0.0], [0.1, 0.2, 0.9]], dtype=DOUBLE))
MEASURED = {
    "poisson": Poisson(20.0),
    "poisson, bright": Poisson(500.0),
    "transmission": Transmission(50.0),
    "rician": Rician(0.2),
    "speckle": Speckle(6.0),
    "log speckle": LogSpeckle(6.0),
    "quantised": Quantised(0.1, 0.5),
    "clipped": Clipped(0.2, 0.0, 1.2),
}


@functools.cache
def posterior(name: str) -> tuple[Measurement, Tensor, Tensor]:
    """The measurement, and mean and variance of the exact posterior."""
    truth = torch.tensor([1.3, 1.0, 0.7], dtype=DOUBLE)
    measurement = simulate(SUMS, MEASURED[name], truth, seed=3)
    generator = torch.Generator().manual_seed(1)
    noise = torch.randn(100_000, 3, generator=generator, dtype=DOUBLE)
    draws = MEAN + noise @ torch.linalg.cholesky(COVARIANCE).T
    weights = torch.softmax(measurement.log_likelihood(draws), 0)
    assert 1 / weights.square().sum() > 3000  # draws that count: 2 % of a standard deviation
    mean = weights @ draws
    return measurement, mean, weights @ (draws - mean).square()


@pytest.mark.parametrize("name", MEASURED)
@pytest.mark.parametrize(
    ("sampler", "off", "narrowest", "widest", "bright"),
    [
        # 20 levels, 400 chains: 0.05 posterior standard deviations, 7 % of a variance
        ("daps", 0.3, 0.8, 1.3, 1.3),  # exact up to its white covariance
        ("daps-mh", 0.3, 0.8, 1.3, 1.3),
        ("pigdm", 0.25, 0.42, 0.72, 0.72),  # 20 ancestral steps are too narrow
        ("lgd", 0.35, 0.42, 1.0, 4.0),  # widened where the noise is small
        ("dps", 0.8, 0.4, 2.0, 7.0),
        ("diffpir", 0.8, 0.22, 0.48, 0.48),  # a mode, as wide as the noise put back
    ],
)
def test_samplers_meet_the_posterior_as_far_as_they_do(
    name, sampler, off, narrowest, widest, bright
):
    measurement, mean, variance = posterior(name)
    prior = gaussian(MEAN, COVARIANCE)
    x = run(load(sampler), prior, measurement, chains=400, steps=20)
    assert ((x.mean(0) - mean) / variance.sqrt()).abs().max() < off
    ratio = x.var(0) / variance
    assert narrowest < ratio.min() and ratio.max() < (
        bright if name == "poisson, bright" else widest
    )
