"""Models of Cov[x0 | x] and their solve, against dense linear algebra."""

import pytest
import torch
from direct import Complex
from problems import Dense

from restore.measurement.measurement import Measurement
from restore.measurement.noise import Gaussian, Poisson
from restore.measurement.operator import Operator
from restore.measurement.signal import ChainNoise
from restore.priors.exact import gaussian, mixture
from restore.priors.prior import isotropic
from restore.samplers.parts.covariance import Estimate, diagonal, jacobian, pull, tangent, white

N, M, SIGMA = 6, 4, 0.8


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).double()


def spread(seed=1):
    root = draw(N, N, seed=seed)
    return root @ root.T / N + 0.1 * torch.eye(N).double()


def posterior_covariance(covariance, sigma=SIGMA):
    """Cov[x0 | x] of x0 ~ N(., covariance)."""
    total = covariance + sigma**2 * torch.eye(N).double()
    return covariance - covariance @ torch.linalg.solve(total, covariance)


def measurement(std=0.3, seed=2):
    return Measurement(draw(M, seed=seed + 1), Dense(draw(M, N, seed=seed)), Gaussian(std))


def wanted(measured, estimate, covariance):
    """A^T (std^2 + A C A^T)^-1 (y - A D), each row."""
    matrix, noise = measured.operator.matrix, torch.as_tensor(measured.noise.std) ** 2
    evidence = matrix @ covariance @ matrix.T + noise * torch.eye(M).double()
    return torch.linalg.solve(evidence, measured.residual(estimate.denoised).T).T @ matrix


def test_the_jacobian_is_the_posterior_covariance():
    prior = gaussian(draw(N), spread())
    estimate = jacobian(prior.denoise, draw(3, N), SIGMA)
    v = draw(3, N, seed=5)
    torch.testing.assert_close(estimate.denoised, prior.denoise(draw(3, N), SIGMA))
    torch.testing.assert_close(estimate.times(v), v @ posterior_covariance(spread()))
    assert estimate.variance is None and not estimate.denoised.requires_grad


def test_the_jacobian_of_a_mixture_is_the_spread_of_its_posterior():
    """Cov[x0 | x] by hand: within the two components, and between them."""
    means = draw(2, N)
    prior = mixture(torch.tensor([0.3, 0.7]), means, 0.25)
    x = draw(1, N, seed=4)
    total = 0.25 + SIGMA**2
    logs = torch.tensor([0.3, 0.7]).double().log() - 0.5 * (x - means).square().sum(1) / total
    shares, shift = torch.softmax(logs, 0), (means[0] - means[1]) * SIGMA**2 / total
    within = 0.25 * SIGMA**2 / total * torch.eye(N).double()
    covariance = within + shares[0] * shares[1] * torch.outer(shift, shift)
    v = draw(1, N, seed=5)
    torch.testing.assert_close(
        jacobian(prior.denoise, x, SIGMA).times(v), v @ covariance, rtol=1e-6, atol=1e-8
    )


def test_the_diagonal_is_exact_for_independent_values():
    variances = torch.linspace(0.2, 2, N).double()
    estimate = diagonal(gaussian(torch.zeros(N), variances).denoise, draw(3, N), SIGMA)
    exact = variances * SIGMA**2 / (variances + SIGMA**2)
    torch.testing.assert_close(estimate.times(torch.ones(3, N).double()), exact.expand(3, N))


def test_white_is_exact_for_white_priors():
    prior = gaussian(torch.zeros(N), 1.7)
    v = draw(3, N, seed=5)
    estimate = white(prior.variance)(prior.denoise, draw(3, N), SIGMA)
    exact = jacobian(prior.denoise, draw(3, N), SIGMA)
    torch.testing.assert_close(estimate.times(v), exact.times(v))
    assert estimate.variance == pytest.approx(1.7 * SIGMA**2 / (1.7 + SIGMA**2))


@pytest.mark.parametrize("std", [0.3, torch.linspace(0.1, 0.5, M)[None].double()])
def test_pull_solves_among_the_measured_numbers(std):
    prior, measured = gaussian(draw(N), spread()), measurement(std)
    estimate = jacobian(prior.denoise, draw(3, N), SIGMA)
    pulled = pull(measured, estimate, max_steps=M + 2, rtol=1e-9)
    torch.testing.assert_close(
        pulled, wanted(measured, estimate, posterior_covariance(spread())), rtol=1e-6, atol=1e-8
    )


def test_pull_of_a_white_covariance_is_a_proximal_step():
    measured = measurement()
    estimate = white(isotropic(1.3))(gaussian(torch.zeros(N), 1.0).denoise, draw(3, N), SIGMA)
    covariance = estimate.variance * torch.eye(N).double()
    torch.testing.assert_close(pull(measured, estimate), wanted(measured, estimate, covariance))


def test_pull_is_each_chain_s_own():
    prior, measured = gaussian(draw(N), spread()), measurement()
    x = draw(3, N) * torch.tensor([1e-3, 1.0, 1e3])[:, None]
    together = pull(measured, jacobian(prior.denoise, x, SIGMA), max_steps=2)
    for row in range(3):
        alone = pull(measured, jacobian(prior.denoise, x[row : row + 1], SIGMA), max_steps=2)
        torch.testing.assert_close(together[row : row + 1], alone)


@pytest.mark.parametrize("max_steps", [0, 1, 3])
def test_pull_multiplies_no_more_often_than_it_may(max_steps):
    calls = []

    def times(v):
        calls.append(v)
        return v @ spread()

    pull(measurement(), Estimate(draw(2, N), times), max_steps=max_steps)
    assert len(calls) == max_steps


def test_pull_without_noise_meets_the_measurement():
    measured = measurement(0.0)
    estimate = jacobian(gaussian(draw(N), spread()).denoise, draw(3, N), SIGMA)
    moved = estimate.denoised + estimate.times(pull(measured, estimate, max_steps=20, rtol=1e-9))
    residual = measured.residual(moved)
    assert (residual.norm(dim=1) < 1e-3 * measured.y.norm()).all()


def test_pull_needs_gaussian_noise():
    measured = Measurement(torch.ones(M), Dense(torch.eye(M, N)), Poisson(10.0))
    with pytest.raises(TypeError, match="Gaussian noise, not Poisson"):
        pull(measured, jacobian(gaussian(torch.zeros(N), 1.0).denoise, draw(1, N), SIGMA))


def test_pull_of_complex_measurements_is_that_of_their_two_parts():
    measured, x = measurement(), draw(3, N)
    y = torch.complex(*measured.y.chunk(2, 1))
    folded = Measurement(y, Complex(measured.operator.matrix), measured.noise)
    estimate = jacobian(gaussian(draw(N), spread()).denoise, x, SIGMA)
    torch.testing.assert_close(pull(folded, estimate), pull(measured, estimate))


class Square(Operator):
    """y = (B x)^2."""

    def __init__(self, matrix):
        super().__init__((matrix.shape[1],), (matrix.shape[0],))
        self.matrix = matrix

    def _forward(self, x):
        return (x @ self.matrix.T) ** 2


def test_the_tangent_is_the_derivative():
    operator, x = Square(draw(M, N)), draw(2, N)
    slope = tangent(operator, x)
    expected = 2 * (x @ operator.matrix.T) * (draw(2, N, seed=5) @ operator.matrix.T)
    with torch.no_grad():
        torch.testing.assert_close(slope(draw(2, N, seed=5)), expected)
    linear = Dense(draw(M, N))
    assert tangent(linear, x) is linear


class Normalised(Operator):
    """A convolution and a group norm, with the weights' channels last in memory."""

    def __init__(self):
        super().__init__((3, 4, 4), (8, 4, 4))
        torch.manual_seed(0)
        layers = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.GroupNorm(4, 8))
        self.layers = layers.double().requires_grad_(False).to(memory_format=torch.channels_last)

    def _forward(self, x):
        return self.layers(x)


def test_the_tangent_goes_through_the_norms_of_decoders():
    operator, x, v = Normalised(), draw(2, 48).unflatten(1, (3, 4, 4)), draw(2, 48, seed=5)
    v = v.unflatten(1, (3, 4, 4))
    expected = (operator(x + 1e-6 * v) - operator(x - 1e-6 * v)) / 2e-6
    torch.testing.assert_close(
        tangent(operator, x)(v), expected, rtol=1e-6, atol=1e-6
    )  # h^2, eps/h


def test_the_tangent_has_its_adjoint():
    slope = tangent(Square(draw(M, N)), draw(2, N))
    noise = ChainNoise(0, range(2))
    v, u = noise(slope.x), noise(torch.empty(2, M).double())
    torch.testing.assert_close((slope(v) * u).sum(1), (slope.adjoint(u) * v).sum(1))
