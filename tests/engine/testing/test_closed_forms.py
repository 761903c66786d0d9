"""The closed forms that all else is held to, held to simpler ones."""

import pytest
import torch

from restore.testing.closed_forms import (
    DiscretePosterior,
    GaussianPosterior,
    MixturePosterior,
    coverage,
    dataset_posterior,
    gaussian_posterior,
    mixture_posterior,
    signless_posterior,
    sliced_wasserstein,
)

EYE = torch.eye(3, dtype=torch.float64)
WEIGHTS = torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64)
MEANS = torch.tensor([[0.0, 0, 0], [3, 0, 1], [-2, 1, 0]], dtype=torch.float64)


def importance(log_likelihood, draws):
    """Mean and variance of p(x | y) from weighted draws of the prior."""
    weights = torch.softmax(log_likelihood, 0)
    mean = weights @ draws
    return mean, weights @ (draws - mean).square()


def normal(y, clean, std):
    return -0.5 * ((y - clean) / std).square().sum(1)


def test_a_scalar_posterior_is_the_textbooks():
    found = gaussian_posterior(
        torch.tensor([1.0]), torch.tensor([[4.0]]), torch.tensor([[2.0]]), torch.tensor([6.0]), 1.0
    )
    # precision 1 / 4 + 4, mean (1 / 4 + 2 * 6) / precision
    torch.testing.assert_close(found.covariance, torch.tensor([[1 / 4.25]], dtype=torch.float64))
    torch.testing.assert_close(found.mean, torch.tensor([12.25 / 4.25], dtype=torch.float64))


def test_a_mixtures_posterior_is_that_of_weighted_draws():
    matrix = torch.tensor([[1.0, 0.5, 0.0]], dtype=torch.float64)
    y = torch.tensor([1.0], dtype=torch.float64)
    exact = mixture_posterior(WEIGHTS, MEANS, 1.0, matrix, y, 0.7)
    draws = MixturePosterior(WEIGHTS, MEANS, EYE).draw(400_000)
    mean, variance = importance(normal(y, draws @ matrix.T, 0.7), draws)
    # 4e5 draws, about a tenth of which bear weight: standard error 0.01
    torch.testing.assert_close(exact.mean, mean, rtol=0, atol=0.04)
    torch.testing.assert_close(exact.variance(EYE), variance, rtol=0.05, atol=0)


def test_a_signless_posterior_is_that_of_weighted_draws():
    matrix = torch.tensor([[1.0, 0.5, 0.0], [0.0, 1.0, 1.0]], dtype=torch.float64)
    y = torch.tensor([2.0, 1.5], dtype=torch.float64)
    exact = signless_posterior(WEIGHTS, MEANS, 1.0, matrix, y, 0.25)
    assert len(exact.weights) == 4 * 3
    draws = MixturePosterior(WEIGHTS, MEANS, EYE).draw(400_000)
    mean, variance = importance(normal(y, (draws @ matrix.T).abs(), 0.25), draws)
    torch.testing.assert_close(exact.mean, mean, rtol=0, atol=0.06)
    torch.testing.assert_close(exact.variance(EYE), variance, rtol=0.05, atol=0)


def test_a_dataset_is_weighted_by_any_likelihood():
    points = torch.tensor([[[0.0, 1.0]], [[2.0, 3.0]], [[4.0, 5.0]]])
    exact = dataset_posterior(points, torch.tensor([0.0, 0.0, -1e4]))
    torch.testing.assert_close(exact.mean, torch.tensor([1.0, 2.0], dtype=torch.float64))
    assert set(exact.draw(50)[:, 0].tolist()) == {0.0, 2.0}
    torch.testing.assert_close(exact.variance(EYE[:2, :2]), torch.ones(2, dtype=torch.float64))


@pytest.mark.parametrize(
    "law",
    [
        GaussianPosterior(MEANS[1], torch.diag(torch.tensor([1.0, 4.0, 0.25])).double()),
        MixturePosterior(WEIGHTS, MEANS, 0.5 * EYE),
        DiscretePosterior(WEIGHTS, MEANS),
    ],
)
def test_draws_have_the_moments_of_their_law(law):
    draws = law.draw(40_000)
    axes = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(0))).Q.double()
    torch.testing.assert_close(draws.mean(0), law.mean, rtol=0, atol=0.05)
    torch.testing.assert_close((draws @ axes).var(0), law.variance(axes), rtol=0.04, atol=0)
    assert torch.equal(law.draw(5, seed=0), law.draw(5, seed=0))
    assert not torch.equal(law.draw(5, seed=0), law.draw(5, seed=4))


def test_coverage_is_the_level_for_samples_of_the_right_law():
    law = GaussianPosterior(torch.zeros(3).double(), EYE)
    samples, exact = law.draw(4000, 1), law.draw(4000, 2)
    assert abs(coverage(samples, exact, 0.9, EYE) - 0.9) < 0.02
    assert coverage(0.5 * samples, exact, 0.9, EYE) < 0.65  # too narrow
    assert coverage(samples + 5, exact, 0.9, EYE) < 0.01


def test_the_sliced_distance_of_a_shift_is_its_mean_projection():
    draws = GaussianPosterior(torch.zeros(3).double(), EYE).draw(2000)
    shifted = draws + torch.tensor([3.0, 0, 0], dtype=torch.float64)
    # |u_1| of a random direction in three dimensions is 1 / 2 on average
    assert sliced_wasserstein(draws, shifted) == pytest.approx(1.5, rel=0.05)
    assert sliced_wasserstein(draws, draws) == 0
