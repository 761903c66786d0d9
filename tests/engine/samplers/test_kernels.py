"""Transitions between noise levels: all keep the marginal of x0 + sigma n."""

import pytest
import torch

from restore.measurement.signal import ChainNoise
from restore.samplers.parts.kernels import ancestral_step, ddim_step, jump, renoise_step, transition

KERNELS = {
    "ancestral": (ancestral_step, {}),
    "ddim": (ddim_step, {}),
    "ddim, half": (ddim_step, {"eta": 0.5}),
    "ddim, ancestral": (ddim_step, {"eta": 1.0}),
    "renoise": (renoise_step, {}),
    "renoise, some": (renoise_step, {"fresh": 0.3}),
    "renoise, none": (renoise_step, {"fresh": 0.0}),
}
every = pytest.mark.parametrize("name", list(KERNELS))
LEVELS = [(80.0, 60.0), (1.0, 0.9), (0.5, 0.01), (0.002, 0.0)]


def step(name, x, denoised, sigma, sigma_next, randn_like):
    kernel, options = KERNELS[name]
    return kernel(x, denoised, sigma, sigma_next, randn_like, **options)


def refuse(like):
    raise AssertionError("noise was drawn")


@every
@pytest.mark.parametrize(("sigma", "sigma_next"), LEVELS)
def test_the_marginal_is_kept(name, sigma, sigma_next):
    """With D = x0 the state stays x0 + noise: keep^2 sigma^2 + std^2 = sigma_next^2."""
    x0 = torch.randn(2, 3, dtype=torch.float64)
    noise = ChainNoise(0, range(2))
    moved = step(name, x0 + 1.0, x0, sigma, sigma_next, noise)
    keep = moved.mean - x0
    torch.testing.assert_close(keep, keep[0, 0].expand_as(keep))
    total = keep[0, 0].item() ** 2 * sigma**2 + moved.std**2
    assert total == pytest.approx(sigma_next**2, rel=1e-12)
    assert (moved.x == moved.mean).all() == (moved.std == 0)


@every
def test_no_noise_is_drawn_on_the_way_to_zero(name):
    x, denoised = torch.ones(2, 3), torch.zeros(2, 3)
    moved = step(name, x, denoised, 0.1, 0.0, refuse)
    assert moved.std == 0 and torch.equal(moved.x, denoised)


def test_deterministic_steps_draw_no_noise():
    ddim_step(torch.ones(1, 3), torch.zeros(1, 3), 1.0, 0.5, refuse)
    renoise_step(torch.ones(1, 3), torch.zeros(1, 3), 1.0, 0.5, refuse, fresh=0.0)


def test_ancestral_is_the_reverse_of_the_diffusion():
    """p(x_t | x_s, x0) ~ N(x_t; x0, t^2) N(x_s; x_t, s^2 - t^2), a product of two normals."""
    x0, x_s = torch.tensor([[0.7]]), torch.tensor([[-1.9]])
    s, t = 1.3, 0.8
    precision = 1 / t**2 + 1 / (s**2 - t**2)
    mean = (x0 / t**2 + x_s / (s**2 - t**2)) / precision
    moved = ancestral_step(x_s, x0, s, t, torch.zeros_like)
    torch.testing.assert_close(moved.mean, mean)
    assert moved.std == pytest.approx(precision**-0.5)


def test_eta_one_is_ancestral_and_fresh_one_forgets():
    x, denoised = torch.randn(2, 3, dtype=torch.float64), torch.zeros(2, 3, dtype=torch.float64)
    one = ddim_step(x, denoised, 1.0, 0.6, torch.zeros_like, eta=1.0)
    other = ancestral_step(x, denoised, 1.0, 0.6, torch.zeros_like)
    torch.testing.assert_close(one.mean, other.mean)
    assert one.std == pytest.approx(other.std)
    assert torch.equal(renoise_step(x, denoised, 1.0, 0.6, torch.zeros_like).mean, denoised)


def test_the_euler_step_goes_along_the_slope():
    x, denoised = torch.randn(2, 3), torch.randn(2, 3)
    expected = x + (0.6 - 1.0) * (x - denoised) / 1.0
    torch.testing.assert_close(ddim_step(x, denoised, 1.0, 0.6, refuse).x, expected)


def test_draws_have_the_mean_and_std_they_state():
    noise, mean = ChainNoise(0, range(4)), torch.full((4, 5000), 2.0)
    moved = transition(mean, 0.5, noise)
    # 20000 draws: 5 standard errors are 0.018 of the mean, 0.0125 of the std
    assert moved.x.mean().item() == pytest.approx(2.0, abs=0.018)
    assert moved.x.std().item() == pytest.approx(0.5, abs=0.0125)


def test_a_jump_adds_what_lies_between_the_levels():
    x = torch.zeros(4, 5000)
    jumped = jump(x, 0.3, 0.5, ChainNoise(0, range(4)))
    assert jumped.std().item() == pytest.approx(0.4, abs=0.01)  # 5 standard errors
