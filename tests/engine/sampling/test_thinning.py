"""Thinned measurements: independent noises, and the predictive law of the part that is held."""

import pytest
import torch
from restore_operators import Mask

from restore.measurement.measurement import Measurement, simulate
from restore.measurement.noise import Gaussian, Poisson
from restore.measurement.not_gaussian import Rician
from restore.sampling.held_out import Split, width
from restore.sampling.thinning import can_be_thinned, thinned
from restore.testing.cases import Dense
from restore.testing.closed_forms import gaussian_posterior

SIZE = 40_000  # standard errors of 0.5 % in a correlation, 0.7 % in a variance
EVERY = Mask(torch.ones(SIZE))


@pytest.mark.parametrize("kept", [0.8, 0.5, 0.1])
def test_gaussian_parts_have_independent_noises_of_the_stated_levels(kept):
    x = torch.linspace(-1, 1, SIZE)
    split = thinned(simulate(EVERY, Gaussian(0.3), x, seed=1), kept=kept)
    noises = torch.stack([(part.y[0] - x) / part.noise.std for part in (split.kept, split.held)])
    assert (torch.cov(noises) - torch.eye(2)).abs().max() < 0.04  # five standard errors
    assert split.kept.noise.std == pytest.approx(0.3 / kept**0.5)
    assert split.held.noise.std == pytest.approx(0.3 / (1 - kept) ** 0.5)
    assert split.kept.operator is split.held.operator is EVERY


def test_complex_parts_and_levels_of_their_own():
    levels = torch.tensor([0.1, 1.0]).reshape(1, 2, 1)
    mask = Mask(torch.ones(2, SIZE))
    x = torch.zeros(2, SIZE, dtype=torch.complex64)
    split = thinned(simulate(mask, Gaussian(levels), x, seed=1))
    for part in (split.kept, split.held):
        white = part.noise.whiten(part.y[0])[0]
        for of_part in (white.real, white.imag):
            assert (of_part.var(1) - 1).abs().max() < 0.04
    both = torch.stack([split.kept.y[0, 1].imag, split.held.y[0, 1].imag])
    assert torch.corrcoef(both)[0, 1].abs() < 0.025


def test_counts_fall_into_two_independent_poisson_parts():
    x = torch.full((SIZE,), 0.7)
    measurement = simulate(EVERY, Poisson(10.0), x, seed=1)
    split = thinned(measurement, kept=0.75)
    parts = (split.kept, split.held)
    counts = torch.stack([part.y[0] * part.noise.peak for part in parts])
    assert torch.equal(counts.round().sum(0), (10 * measurement.y[0]).round())
    assert [part.noise.peak for part in parts] == [7.5, 2.5]
    rates = torch.tensor([5.25, 1.75])
    torch.testing.assert_close(counts.mean(1), rates, rtol=0.03, atol=0)
    torch.testing.assert_close(counts.var(1), rates, rtol=0.05, atol=0)
    assert torch.corrcoef(counts)[0, 1].abs() < 0.025


def test_what_was_not_measured_stays_zero():
    seen = (torch.arange(SIZE) % 2).float()
    measurement = simulate(Mask(seen), Gaussian(0.1), torch.ones(SIZE), seed=1)
    masked = Measurement(seen * measurement.y, measurement.operator, measurement.noise)
    split = thinned(masked)
    for part in (split.kept, split.held):
        assert (part.y[0, seen == 0] == 0).all() and (part.y[0, seen == 1] != 0).all()


def test_the_held_part_follows_its_predictive_law():
    """y_held given y_kept is N(A m, A C A^T + s^2 / (1 - kept)): m, C the posterior of y_kept."""
    generator = torch.Generator().manual_seed(0)
    n, m, std, draws = 4, 3, 0.5, 4000
    matrix = torch.randn(m, n, generator=generator, dtype=torch.float64)
    covariance = 0.7 ** (torch.arange(n)[:, None] - torch.arange(n)).abs().double()
    root, operator = torch.linalg.cholesky(covariance), Dense(matrix)
    white = []
    for seed in range(draws):
        x = root @ torch.randn(n, generator=generator, dtype=torch.float64)
        split = thinned(simulate(operator, Gaussian(std), x, seed=seed), seed=draws + seed)
        after = gaussian_posterior(
            torch.zeros(n), covariance, matrix, split.kept.y[0], split.kept.noise.std
        )
        law = matrix @ after.covariance @ matrix.T + split.held.noise.std**2 * torch.eye(m)
        away = split.held.y[0] - matrix @ after.mean
        white.append(torch.linalg.solve_triangular(torch.linalg.cholesky(law), away[:, None],
                                                   upper=False)[:, 0])  # fmt: skip
    white = torch.stack(white)
    # 4000 draws: 0.016 of a mean, 0.022 of a variance; five of each
    assert white.mean(0).abs().max() < 0.08
    assert (white.T.cov() - torch.eye(m)).abs().max() < 0.11


@pytest.mark.parametrize("shrink", [1.0, 0.5])
@pytest.mark.parametrize("noise", [Gaussian(0.3), Poisson(40.0)], ids=["gaussian", "counts"])
def test_thinning_tells_the_width_of_samples(noise, shrink):
    """Samples of the signal's law given the kept part; half as wide, they are told so (1.89)."""
    generator = torch.Generator().manual_seed(0)
    chains = 6

    def randn():
        return torch.randn(SIZE, generator=generator)

    centre = 2 + 0.3 * randn().abs()
    truth = centre + 0.5 * randn()
    split = thinned(simulate(EVERY, noise, truth, seed=1))
    samples = torch.stack([centre + shrink * 0.5 * randn() for _ in range(chains)])
    # the kept part is not looked at by these samples: its level is that of an answer that fits
    kept = simulate(EVERY, Gaussian(1.0), samples.mean(0), seed=2)
    found = width(samples, Split(kept, split.held))
    right = ((1 + shrink**2 / chains) / (1 + 1 / chains)) ** 0.5 / shrink
    assert found == pytest.approx(right, rel=0.06)


def test_what_cannot_be_thinned_says_so():
    y = torch.ones(1, 4)
    operator = Mask(torch.ones(4))
    for noise in (Gaussian(0.0), Gaussian(torch.tensor([[0.0, 1, 1, 1]])), Rician(0.1)):
        measurement = Measurement(y, operator, noise)
        assert not can_be_thinned(measurement)
        with pytest.raises(ValueError, match="can be thinned"):
            thinned(measurement)
    several = Measurement(torch.ones(2, 4), operator, Gaussian(0.1))
    assert not can_be_thinned(several)
    with pytest.raises(ValueError, match="whole counts"):
        thinned(Measurement(0.55 * y, operator, Poisson(10.0)))
    with pytest.raises(ValueError, match="between 0 and 1"):
        thinned(Measurement(y, operator, Gaussian(0.1)), kept=1.0)
