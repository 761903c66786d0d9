"""Noise schedules against their formulas."""

import math

import pytest
import torch

from restore.priors.schedules import checked, geometric, karras, starting_at, vp

EVERY = [karras, geometric, vp]


@pytest.mark.parametrize("schedule", EVERY)
@pytest.mark.parametrize("steps", [2, 3, 50, 1000])
def test_a_schedule_falls_from_end_to_end_and_then_to_zero(schedule, steps):
    sigmas = schedule(80.0, 0.002, steps)
    assert sigmas.dtype == torch.float64 and len(sigmas) == steps + 1
    assert sigmas[0].item() == pytest.approx(80.0, rel=1e-12)
    assert sigmas[-2].item() == pytest.approx(0.002, rel=1e-9)
    assert torch.equal(checked(sigmas), sigmas)


@pytest.mark.parametrize("schedule", EVERY)
def test_one_step_starts_at_the_top(schedule):
    torch.testing.assert_close(
        schedule(80.0, 0.002, 1), torch.tensor([80.0, 0.0], dtype=torch.float64)
    )


@pytest.mark.parametrize("rho", [1.0, 3.0, 7.0])
def test_karras_is_even_in_the_root_of_sigma(rho):
    roots = karras(80.0, 0.002, 9, rho=rho)[:-1] ** (1 / rho)
    torch.testing.assert_close(roots.diff(), roots.diff().mean().expand(8))


def test_geometric_is_even_in_the_logarithm_of_sigma():
    ratios = geometric(80.0, 0.002, 9)[:-1].log().diff()
    torch.testing.assert_close(ratios, torch.full_like(ratios, math.log(0.002 / 80) / 8))


def test_vp_is_even_in_the_time_of_its_process():
    beta_min, beta_max = 0.1, 20.0
    t = torch.linspace(1.0, 1e-3, 9, dtype=torch.float64)
    # log abar(t) = -(beta_min t + (beta_max - beta_min) t^2 / 2), sigma^2 = 1 / abar - 1
    sigmas = torch.sqrt(1 / torch.exp(-(beta_min * t + (beta_max - beta_min) * t**2 / 2)) - 1)
    found = vp(sigmas[0].item(), sigmas[-1].item(), 9, beta_min=beta_min, beta_max=beta_max)
    torch.testing.assert_close(found[:-1], sigmas)


def test_a_warm_start_keeps_the_lower_part():
    sigmas = torch.tensor([4.0, 2.0, 1.0, 0.0])
    assert starting_at(sigmas, 3.0).tolist() == [3.0, 2.0, 1.0, 0.0]
    assert starting_at(sigmas, 2.0).tolist() == [2.0, 1.0, 0.0]  # not 2.0 twice
    assert starting_at(sigmas, 9.0).tolist() == [9.0, 4.0, 2.0, 1.0, 0.0]
    with pytest.raises(ValueError, match="must be positive, got 0"):
        starting_at(sigmas, 0.0)


@pytest.mark.parametrize(
    "sigmas", [[1.0, 1.0, 0.0], [1.0, 2.0, 0.0], [2.0, 1.0], [math.inf, 1.0, 0.0], [0.0], 1.0]
)
def test_what_is_no_schedule_is_refused(sigmas):
    with pytest.raises(ValueError, match="schedule"):
        checked(torch.tensor(sigmas))


@pytest.mark.parametrize(("top", "bottom", "steps"), [(1, 2, 5), (1, 0, 5), (1, 1, 5), (2, 1, 0)])
def test_impossible_levels_are_refused(top, bottom, steps):
    with pytest.raises(ValueError, match=r"sigma_min|at least 1 step"):
        karras(top, bottom, steps)
