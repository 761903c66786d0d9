"""The exact posterior score, held to the direct formula and to posteriors in closed form."""

import pytest
import torch
from problems import Copy, Dense

from restore.measurement.measurement import Measurement, simulate, stack
from restore.measurement.noise import Gaussian, Poisson
from restore.priors.exact import gaussian, mixture
from restore.samplers.guided.exact_score import collected, exact_score
from restore.sampling.loop import sample
from restore.testing.closed_forms import gaussian_posterior

N = 8


def randn(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def holes(std=0.3, seed=0) -> Measurement:
    """Every third value is missing, the others have gains of their own."""
    kept = torch.where(torch.arange(N) % 3 > 0, torch.linspace(0.5, 2, N).double(), 0)
    return simulate(Copy(kept), Gaussian(std), randn(N, seed=seed), seed=seed)


def conditional(prior, measurement, x, sigma):
    """What the sampler's first Step calls denoised: E[x0 | x, y]."""
    sigmas = torch.tensor([sigma, 0.0], dtype=torch.float64)
    steps = exact_score(prior.denoise, measurement, x, sigmas, torch.randn_like)
    return next(steps).denoised


def covariance(seed=1):
    root = randn(N, N, seed=seed)
    return root @ root.T / N + 0.1 * torch.eye(N)


@pytest.mark.parametrize("sigma", [0.01, 0.5, 20.0])
@pytest.mark.parametrize("std", [0.3, torch.linspace(0.1, 1, N)[None].double()])
def test_on_a_gaussian_prior_it_is_the_mean_given_x_and_y(sigma, std):
    mean, spread = randn(N, seed=2), covariance()
    measurement = Measurement(holes().y, holes().operator, Gaussian(std))
    x = randn(3, N, seed=3)
    found = conditional(gaussian(mean, spread), measurement, x, sigma)
    kept, y = measurement.operator.kept, measurement.y[0]
    weight = (torch.as_tensor(std, dtype=torch.float64) ** -2).flatten()
    precision = torch.linalg.inv(spread) + torch.diag(kept**2 * weight) + torch.eye(N) / sigma**2
    seen = torch.linalg.inv(spread) @ mean + kept * weight * y + x / sigma**2
    # rounding of float64 through two inverses of condition 1e4
    torch.testing.assert_close(found, torch.linalg.solve(precision, seen.T).T, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("sigma", [0.05, 0.7, 5.0])
def test_on_a_mixture_it_is_the_mean_given_x_and_y(sigma):
    weights, means, variance = torch.tensor([0.2, 0.5, 0.3]), 2 * randn(3, N, seed=4), 0.2
    measurement = holes(std=0.4)
    x = randn(4, N, seed=5)
    found = conditional(mixture(weights, means, variance), measurement, x, sigma)
    kept, y = measurement.operator.kept, measurement.y[0]
    # x and y stacked are one linear measurement of x0, value by value
    gain = torch.stack([torch.ones(N, dtype=torch.float64), kept])  # (2, n)
    noise = torch.tensor([sigma, 0.4], dtype=torch.float64)[:, None]
    precision = 1 / variance + (gain**2 / noise**2).sum(0)
    both = torch.stack([x, y.expand_as(x)], 1)  # (batch, 2, n)
    of_each = (means / variance + (gain / noise**2 * both).sum(1)[:, None]) / precision
    left = both[:, None] - gain * means[None, :, None]  # (batch, components, 2, n)
    inside = torch.diag_embed((noise**2).expand(2, N).T) + variance * torch.einsum(
        "in,jn->nij", gain, gain
    )
    square = torch.einsum("bkin,nij,bkjn->bk", left, torch.linalg.inv(inside), left)
    shares = torch.softmax(weights.double().log() - 0.5 * square, 1)
    # rounding: the softmax of exponents up to 1e4
    torch.testing.assert_close(found, (shares[..., None] * of_each).sum(1), rtol=1e-9, atol=1e-9)


def test_samples_have_the_moments_of_the_exact_posterior():
    mean, spread, measurement = randn(N, seed=2), covariance(), holes()
    count = 4000
    drawn = sample(measurement, gaussian(mean, spread), exact_score, chains=count, steps=200)
    truth = gaussian_posterior(
        mean, spread, torch.diag(measurement.operator.kept), measurement.y[0], 0.3
    )
    std = truth.covariance.diagonal().sqrt()
    # four standard errors of 4000 samples, and 2 % of 200 ancestral steps
    assert ((drawn.samples.double().mean(0) - truth.mean) / std).abs().max() < 4 / count**0.5 + 0.02
    ratio = drawn.samples.double().var(0) / std**2
    assert (ratio - 1).abs().max() < 4 * (2 / count) ** 0.5 + 0.06


def test_each_observation_of_a_stack_is_restored_as_if_alone():
    measurements = [holes(seed=0), holes(seed=1)]
    prior = gaussian(randn(N, seed=2), covariance())
    both = sample(stack(measurements), prior, exact_score, chains=2, steps=8, seed=3).samples
    for one, measurement in zip(both, measurements, strict=True):
        alone = sample(measurement, prior, exact_score, chains=2, steps=8, seed=3).samples
        torch.testing.assert_close(one, alone, rtol=1e-4, atol=1e-4)  # float32


def test_without_noise_what_is_measured_is_met():
    measurement = holes(std=0.0)
    prior = gaussian(randn(N, seed=2), covariance())
    drawn = sample(measurement, prior, exact_score, chains=3, steps=30).samples
    residual = measurement.y.float() - measurement.operator(drawn)
    assert residual.abs().max() < 5 * 1e-3 * 2  # std of the floor times the largest gain


@pytest.mark.parametrize(
    "measurement",
    [
        Measurement(torch.zeros(N), Dense(torch.ones(N, N) + torch.eye(N)), Gaussian(0.1)),
        Measurement(torch.ones(N), Copy(torch.ones(N)), Poisson(100.0)),
    ],
)
def test_other_measurements_are_refused_by_name(measurement):
    with pytest.raises(TypeError, match="sees each value by itself"):
        collected(measurement)
