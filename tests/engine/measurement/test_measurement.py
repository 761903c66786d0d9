"""The likelihood: residuals, scores and proximal steps against their definitions."""

import math

import pytest
import torch
from problems import Copy, Dense, sensing

from restore.measurement.measurement import Measurement, simulate, stack
from restore.measurement.noise import Gaussian, Poisson
from restore.measurement.operator import NonlinearComposed, Operator
from restore.measurement.signal import ChainNoise

NOISES = [Gaussian(0.3), Gaussian(torch.tensor([[0.1, 0.2, 0.3, 0.4]])), Poisson(50.0)]


class Square(Operator):
    """y = x^2: a likelihood with several modes."""

    def __init__(self, n):
        super().__init__((n,), (n,))

    def _forward(self, x):
        return x**2


def _measure(noise, n=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    matrix = torch.rand(4, n, generator=generator, dtype=torch.float64) + 0.1
    x = torch.rand(n, generator=generator, dtype=torch.float64)
    return simulate(Dense(matrix), noise, x, seed=seed), x


@pytest.mark.parametrize("noise", NOISES, ids=str)
def test_the_score_is_the_gradient_of_the_log_likelihood(noise):
    measurement, x = _measure(noise)
    x = x[None].clone()
    step = 1e-6
    for i in range(x.shape[1]):
        ahead, behind = x.clone(), x.clone()
        ahead[0, i] += step
        behind[0, i] -= step
        slope = (measurement.log_likelihood(ahead) - measurement.log_likelihood(behind)) / (
            2 * step
        )
        torch.testing.assert_close(measurement.score(x)[:, i], slope, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("noise", NOISES, ids=str)
def test_the_proximal_step_is_stationary(noise):
    measurement, x = _measure(noise)
    start, variance = x[None] + 0.1, 0.2
    z = measurement.proximal(start, variance)
    slope = measurement.score(z) - (z - start) / variance
    # iterative solvers stop at 1e-6 (linear) or 1e-4 (others) of the first gradient
    assert slope.norm() < 2e-4 * (measurement.score(start)).norm()


def test_a_nonlinear_proximal_step_is_stationary_too():
    torch.manual_seed(0)
    operator = NonlinearComposed(Square(4), Dense(torch.rand(4, 4, dtype=torch.float64)))
    measurement = simulate(operator, Gaussian(0.1), torch.rand(4, dtype=torch.float64))
    start = torch.rand(3, 4, dtype=torch.float64)
    z = measurement.proximal(start, 0.5)
    slope = measurement.score(z) - (z - start) / 0.5
    assert (slope.norm(dim=1) < 1e-3 * measurement.score(start).norm(dim=1)).all()


def test_a_variance_for_each_chain():
    measurement = sensing(0.1)
    x = torch.randn(3, 16, dtype=torch.float64)
    variances = torch.tensor([0.01, 1.0, 100.0], dtype=torch.float64)
    together = measurement.proximal(x, variances)
    for i, v in enumerate(variances):
        torch.testing.assert_close(
            together[i : i + 1], measurement.proximal(x[i : i + 1], v.item())
        )


def test_exact_inner_samples_have_the_conditional_law():
    measurement, variance = sensing(0.3), 0.5
    matrix = measurement.operator.matrix
    x = torch.randn(16, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    precision = matrix.T @ matrix / 0.3**2 + torch.eye(16) / variance
    covariance = torch.linalg.inv(precision)
    mean = covariance @ (matrix.T @ measurement.y[0] / 0.3**2 + x / variance)
    draws = measurement.draw_proximal(x.expand(20_000, 16), variance, ChainNoise(0, [0]))
    spread = covariance.diagonal().sqrt()
    # 20 000 draws: standard errors 0.7 % of a std, 1 % of a variance
    assert ((draws.mean(0) - mean) / spread).abs().max() < 0.035
    assert (draws.var(0) / covariance.diagonal() - 1).abs().max() < 0.06


def test_gaussian_log_likelihood_is_normalised():
    y = torch.tensor([[0.5]], dtype=torch.float64)
    clean = torch.linspace(-40, 40, 200_001, dtype=torch.float64)[:, None]
    density = Gaussian(1.7).log_prob(y.expand_as(clean), clean).exp()
    assert abs(torch.trapezoid(density, clean[:, 0]).item() - 1) < 1e-9


def test_poisson_draws_have_mean_and_variance_of_the_rate():
    clean = torch.full((1, 100_000), 0.4)
    y = Poisson(25.0).draw(clean, ChainNoise(0, [0]))
    assert abs(y.mean().item() - 0.4) < 0.002  # standard error 0.0004
    assert abs(y.var().item() - 0.4 / 25) < 0.0005


def test_chi_square_is_one_for_the_truth_and_counts_what_was_measured():
    kept = (torch.arange(4000) % 4 == 0).double()
    x = torch.randn(4000, dtype=torch.float64)
    measurement = simulate(Copy(kept), Gaussian(0.2), x)
    # 1000 measured values: standard error sqrt(2 / 1000) = 0.045
    assert abs(measurement.chi_square(x[None]).item() - 1) < 0.2
    with pytest.raises(ValueError, match="Gaussian"):
        simulate(Copy(kept), Poisson(9.0), x.abs()).chi_square(x[None])


def test_simulation_is_seeded_and_noise_has_its_level():
    operator = Copy(torch.ones(10_000))
    x = torch.zeros(10_000)
    first, again = (simulate(operator, Gaussian(0.3), x, seed=0) for _ in range(2))
    assert torch.equal(first.y, again.y)
    assert not torch.equal(first.y, simulate(operator, Gaussian(0.3), x, seed=1).y)
    assert abs(first.y.std().item() - 0.3) < 0.01


def test_a_stack_is_one_measurement_after_the_other():
    parts = [sensing(std, seed=seed) for seed, std in enumerate((0.1, 0.2, 0.3))]
    stacked = stack(parts)
    x = torch.randn(6, 16, dtype=torch.float64)
    for name in ("residual", "log_likelihood", "score", "chi_square"):
        alone = [getattr(m, name)(x[2 * i : 2 * i + 2]) for i, m in enumerate(parts)]
        torch.testing.assert_close(getattr(stacked, name)(x), torch.cat(alone))
    one = stacked.select(1, 2)
    torch.testing.assert_close(one.residual(x[:2]), parts[1].residual(x[:2]))
    assert one.noise.std.item() == pytest.approx(0.2)


def test_what_is_wrong_with_a_measurement_is_said():
    operator = Copy(torch.ones(4))
    with pytest.raises(ValueError, match="not finite"):
        Measurement(torch.tensor([0.0, math.nan, 0.0, 0.0]), operator, Gaussian(0.1))
    with pytest.raises(ValueError, match="shape"):
        Measurement(torch.zeros(5), operator, Gaussian(0.1))
    with pytest.raises(ValueError, match="not negative"):
        Gaussian(-1.0)
    with pytest.raises(ValueError, match="one size"):
        stack([sensing(0.1), Measurement(torch.zeros(4), operator, Gaussian(0.1))])
    with pytest.raises(TypeError, match="linear"):
        simulate(Square(4), Gaussian(0.1), torch.ones(4)).draw_proximal(
            torch.zeros(1, 4), 1.0, torch.randn_like
        )


def test_a_measurement_without_noise_is_met_exactly():
    x = torch.randn(4, dtype=torch.float64)
    measurement = simulate(Copy(torch.ones(4)), Gaussian(0.0), x)
    z = measurement.proximal(torch.zeros(1, 4, dtype=torch.float64), 1.0)
    torch.testing.assert_close(z[0], x, rtol=1e-5, atol=1e-5)
