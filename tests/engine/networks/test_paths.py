"""Processes between clean and noisy speech: their moments against the equations they solve."""

import math

import pytest
import torch

from restore.networks.paths import (
    BrownianBridge,
    OrnsteinUhlenbeck,
    SchroedingerBridge,
    from_score,
    level,
    state,
)

PATHS = [OrnsteinUhlenbeck(), BrownianBridge(), SchroedingerBridge()]
TIMES = torch.tensor([0.03, 0.2, 0.5, 0.9], dtype=torch.float64)


def moments(drift, diffusion, end: float, steps: int = 200_000) -> tuple[float, float, float]:
    """(a, b, variance) at `end` of dx = (p x + q y) dt + g dw, by midpoint steps; p, q of t."""
    a, b, variance, dt = 1.0, 0.0, 0.0, end / steps
    for i in range(steps):
        t = (i + 0.5) * dt
        p, q = drift(t)
        grow = math.exp(p * dt)
        a, b = a * grow, b * grow + q * dt
        variance = variance * grow**2 + diffusion(t) ** 2 * dt
    return a, b, variance


def test_sgmse_levels_are_those_that_its_authors_code_has():
    path = OrnsteinUhlenbeck()
    found = path.std(torch.tensor([1.0, 0.03], dtype=torch.float64))
    torch.testing.assert_close(
        found, torch.tensor([0.388983, 0.018830], dtype=torch.float64), atol=1e-6, rtol=0
    )  # six digits are what is known of them
    ends = level(path, torch.tensor([1.0, 0.03], dtype=torch.float64))
    torch.testing.assert_close(ends[0].item(), 1.7433, atol=5e-5, rtol=0)
    torch.testing.assert_close(ends[1].item(), 0.01970, atol=5e-6, rtol=0)


@pytest.mark.parametrize("end", [0.3, 0.8])
def test_ornstein_uhlenbeck_solves_its_equation(end):
    path = OrnsteinUhlenbeck()
    log = math.log(path.sigma_max / path.sigma_min)
    a, b, variance = moments(
        lambda t: (-path.theta, path.theta),
        lambda t: path.sigma_min * (path.sigma_max / path.sigma_min) ** t * math.sqrt(2 * log),
        end,
    )
    compare(path, end, a, b, variance)


@pytest.mark.parametrize("end", [0.3, 0.8])
def test_brownian_bridge_solves_its_equation(end):
    path = BrownianBridge(theta=0.51)
    a, b, variance = moments(
        lambda t: (-1 / (1 - t), 1 / (1 - t)),
        lambda t: math.sqrt(path.theta) * path.k**t,
        end,
    )
    compare(path, end, a, b, variance)
    assert path.std(torch.tensor(0.5)).item() == pytest.approx(0.487, abs=1e-3)  # as published


def test_schroedinger_bridge_is_pinned_at_both_ends():
    path = SchroedingerBridge()
    ends = torch.tensor([0.0, 1.0], dtype=torch.float64)
    torch.testing.assert_close(path.clean_share(ends), ends.flip(0))
    torch.testing.assert_close(path.noisy_share(ends), ends)
    assert path.std(ends).abs().max() < 1e-7
    times = torch.linspace(0, 1, 1001, dtype=torch.float64)
    spread = path.std(times)
    assert spread.max().item() == pytest.approx(0.549, abs=1e-3)  # as published, near t = 0.71
    assert times[spread.argmax()].item() == pytest.approx(0.71, abs=0.01)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: type(path).__name__)
def test_a_level_tells_its_time(path):
    # the bridge's table is read both ways with the same knots
    torch.testing.assert_close(path.time(level(path, TIMES)), TIMES, atol=1e-9, rtol=0)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: type(path).__name__)
def test_the_score_of_a_gaussian_gives_its_posterior_mean(path):
    """x0 ~ N(m, s^2) given y: E[x0 | x_t, y] by Bayes, against the score's way."""
    mean, spread, noisy, u = 0.3, 0.7, 1.1, torch.tensor([[-0.4]], dtype=torch.float64)
    for time in TIMES:
        t = time[None]
        x_t = state(path, u, torch.full_like(u, noisy), t)
        a, b, std = path.clean_share(time), path.noisy_share(time), path.std(time)
        score = -(x_t - a * mean - b * noisy) / ((a * spread) ** 2 + std**2)
        found = from_score(path, u, score, t)
        noise = level(path, time)
        wanted = (noise**2 * mean + spread**2 * u) / (noise**2 + spread**2)
        torch.testing.assert_close(found, wanted, atol=1e-12, rtol=1e-10)


def compare(path, end, a, b, variance):
    time = torch.tensor(end, dtype=torch.float64)
    found = torch.stack([path.clean_share(time), path.noisy_share(time), path.std(time) ** 2])
    wanted = torch.tensor([a, b, variance], dtype=torch.float64)
    # the midpoint rule with 2e5 steps, q's within a step as at its middle: O(dt)
    torch.testing.assert_close(found, wanted, atol=2e-5, rtol=2e-5)
