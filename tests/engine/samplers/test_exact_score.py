"""The exact posterior score, held to the direct formula and to posteriors in closed form."""

import math

import pytest
import torch
from problems import Copy, Dense
from restore_operators import Blur, Downsample

from restore.measurement.measurement import Measurement, simulate, stack
from restore.measurement.noise import Gaussian, Poisson
from restore.measurement.spectral import dense
from restore.networks.parameterisations import from_edm_map
from restore.networks.unets.folded_unet import FoldedUNet
from restore.priors.exact import gaussian, mixture
from restore.priors.prior import NOISE_MAPS, Prior
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


def covariance(seed=1, n=N):
    root = randn(n, n, seed=seed)
    return root @ root.T / n + 0.1 * torch.eye(n, dtype=torch.float64)


def given_both(prior_mean, spread, matrix, y, std, x, sigma):
    """E[x0 | x, y] of a Gaussian prior by the direct formula; x (batch, n)."""
    unit = torch.eye(len(spread), dtype=torch.float64)
    inverse = torch.linalg.inv(spread)
    precision = inverse + matrix.T @ matrix / std**2 + unit / sigma**2
    seen = inverse @ prior_mean + matrix.T @ y / std**2 + x / sigma**2
    return torch.linalg.solve(precision, seen.T).T


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


IMAGE = (2, 4, 6)
OPERATORS = {
    "circular blur": lambda: Blur(IMAGE, randn(3, 3, seed=7)),
    "blur a channel": lambda: Blur(IMAGE, randn(2, 3, 2, seed=7)),
    "mirrored blur": lambda: Blur(IMAGE, KERNEL[:, None] * KERNEL, boundary="reflect"),
    "downsampling": lambda: Downsample(IMAGE, 2, boundary="reflect"),
    "rows": lambda: Dense(randn(5, N, seed=8)),
}
KERNEL = torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64)


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("sigma", [0.05, 0.7, 20.0])
def test_any_operator_and_any_gaussian_prior_are_met_to_rounding(name, sigma):
    operator = OPERATORS[name]()
    n = math.prod(operator.in_shape)
    mean, spread = randn(n, seed=2), covariance(n=n)
    truth = randn(*operator.in_shape, seed=5)
    measurement = simulate(operator, Gaussian(0.3), truth).to("cpu", torch.float64)
    x = randn(3, *operator.in_shape, seed=3)
    prior = gaussian(mean.reshape(operator.in_shape), spread)
    found = conditional(prior, measurement, x, sigma).flatten(1)
    y, matrix = measurement.y[0].flatten(), dense(operator)
    expected = given_both(mean, spread, matrix, y, 0.3, x.flatten(1), sigma)
    # rounding of float64 through inverses of condition 1e4
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


def test_noise_that_differs_within_a_blurred_observation_is_met_too():
    operator, std = Dense(randn(5, N, seed=8)), torch.linspace(0.1, 1, 5)[None].double()
    mean, spread = randn(N, seed=2), covariance()
    y = randn(5, seed=4)
    measurement = Measurement(y, operator, Gaussian(std)).to("cpu", torch.float64)
    x = randn(3, N, seed=3)
    found = conditional(gaussian(mean, spread), measurement, x, 0.5)
    weighted, seen = dense(operator) / std.T, y / std[0]
    expected = given_both(mean, spread, weighted, seen, 1.0, x, 0.5)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


def test_coloured_noise_on_a_mixture_is_weighed_in_its_own_coordinates():
    """Against the mean of a million draws of the prior, weighed by their likelihood."""
    weights, means, variance = torch.tensor([0.2, 0.5, 0.3]), 2 * randn(3, N, seed=4), 0.2
    operator, sigma, std = Dense(randn(5, N, seed=8)), 0.6, 0.8
    y, x = randn(5, seed=9), randn(1, N, seed=5)
    measurement = Measurement(y, operator, Gaussian(std)).to("cpu", torch.float64)
    found = conditional(mixture(weights, means, variance), measurement, x, sigma)
    matrix, unit = dense(operator), torch.eye(N, dtype=torch.float64)
    precision = unit / sigma**2 + matrix.T @ matrix / std**2
    seen, noise = x / sigma**2 + y @ matrix / std**2, torch.linalg.inv(precision)
    inside, m = noise + variance * unit, seen @ noise
    away = m - means
    log_w = weights.double().log() - 0.5 * (away @ torch.linalg.inv(inside) * away).sum(1)
    each = means + variance * torch.linalg.solve(inside, away.T).T
    # rounding: the softmax of exponents up to 1e3
    torch.testing.assert_close(found[0], torch.softmax(log_w, 0) @ each, rtol=1e-9, atol=1e-9)


def test_samples_through_a_blur_have_the_moments_of_the_exact_posterior():
    operator = Blur((1, 2, 4), randn(2, 3, seed=7))
    mean, spread, count = randn(N, seed=2), covariance(), 2000
    measurement = simulate(operator, Gaussian(0.3), randn(1, 2, 4))
    prior = gaussian(mean.reshape(1, 2, 4), spread)
    drawn = sample(measurement, prior, exact_score, chains=count, steps=100).samples.flatten(1)
    truth = gaussian_posterior(mean, spread, dense(operator), measurement.y[0].flatten(), 0.3)
    std = truth.covariance.diagonal().sqrt()
    # four standard errors of 2000 samples, and 3 % of 100 ancestral steps
    assert ((drawn.double().mean(0) - truth.mean) / std).abs().max() < 4 / count**0.5 + 0.03
    assert (drawn.double().var(0) / std**2 - 1).abs().max() < 4 * (2 / count) ** 0.5 + 0.09


def test_other_noise_is_refused_by_name():
    with pytest.raises(TypeError, match="Poisson"):
        collected(Measurement(torch.ones(N), Copy(torch.ones(N)), Poisson(100.0)))


def test_an_operator_without_a_decomposition_that_is_too_large_for_one_is_refused():
    large = Dense(torch.ones(2, 5000) * torch.arange(1, 5001))
    with pytest.raises(TypeError, match="no singular value decomposition"):
        collected(Measurement(torch.zeros(2), large, Gaussian(0.1)))


def test_a_network_that_knows_maps_alone_refuses_a_blur_in_one_line():
    network = from_edm_map(FoldedUNet(1, widths=(4, 4), blocks=1))
    prior = Prior(network, (1, None, None), offers=frozenset({NOISE_MAPS}))
    measurement = Measurement(torch.zeros(1, 8, 8), Blur((1, 8, 8), torch.ones(3, 3)), Gaussian(1))
    with pytest.raises(TypeError, match="not coloured noise"):
        sample(measurement, prior, exact_score, steps=2)
