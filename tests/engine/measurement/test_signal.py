"""Per-chain arithmetic: every chain on its own, the same in any company."""

import math

import pytest
import torch
from pretended_gpu import PretendedGpu

from restore.measurement.signal import (
    ChainNoise,
    conjugate_gradient,
    counted_solves,
    dot,
    minimise,
    norm,
    per_chain,
)


def test_dot_is_the_real_inner_product():
    a = torch.randn(3, 4, 5, dtype=torch.complex128)
    b = torch.randn(3, 4, 5, dtype=torch.complex128)
    expected = (a.conj() * b).sum((1, 2)).real
    torch.testing.assert_close(dot(a, b), expected)
    torch.testing.assert_close(norm(a), dot(a, a).sqrt())


def _positive(n, batch):
    a = torch.randn(batch, n, n, dtype=torch.float64)
    return a @ a.mT + 0.1 * torch.eye(n, dtype=torch.float64)


def test_conjugate_gradient_solves_every_chain():
    a, b = _positive(12, 3), torch.randn(3, 12, dtype=torch.float64)
    x = conjugate_gradient(lambda v: (a @ v[..., None])[..., 0], b, max_steps=200, rtol=1e-10)
    torch.testing.assert_close(x, torch.linalg.solve(a, b), rtol=1e-6, atol=1e-8)


def test_a_chain_that_converged_waits_for_the_others_unchanged():
    a = torch.stack([torch.eye(12, dtype=torch.float64), _positive(12, 1)[0]])
    b = torch.randn(2, 12, dtype=torch.float64)
    x = conjugate_gradient(lambda v: (a @ v[..., None])[..., 0], b, max_steps=200)
    assert torch.equal(x[0], b[0])  # the identity is solved in one step, then left alone


def test_conjugate_gradient_refuses_what_is_not_finite_by_name():
    b = torch.ones(2, 3)
    for wrong in (math.nan, math.inf):
        with pytest.raises(FloatingPointError, match="A of the test: conjugate gradients left"):
            conjugate_gradient(lambda v: v, torch.full((2, 3), wrong), what="A of the test")
        with pytest.raises(FloatingPointError, match="left the real numbers"):
            conjugate_gradient(torch.full((3,), wrong).mul, b, max_steps=1)


def test_solves_that_fall_short_are_counted_with_their_residual():
    scales = torch.logspace(0, 4, 12, dtype=torch.float64)[None]
    b = torch.ones(1, 12, dtype=torch.float64)
    with counted_solves() as outer:
        conjugate_gradient(lambda x: scales * x, b, max_steps=60)
        assert (outer.count, outer.short, outer.worst) == (1, 0, 0.0)
        with counted_solves() as inner:
            x = conjugate_gradient(lambda x: scales * x, b, max_steps=3)
            conjugate_gradient(lambda x: scales * x, b, max_steps=3, truncated=True)
        assert (inner.count, inner.short) == (2, 1)
        left = (b - scales * x).norm() / b.norm()
        assert inner.worst == pytest.approx(left.item())
    assert outer.count == 1  # the inner count is its own
    conjugate_gradient(lambda x: scales * x, b, max_steps=3)  # counted by nobody


def test_descents_that_end_short_are_counted_by_the_gradient_left():
    scales = torch.logspace(0, 3, 6, dtype=torch.float64)[None]

    def objective(x):
        return 0.5 * dot(x, scales * x), scales * x

    start = torch.ones(1, 6, dtype=torch.float64)
    for steps, short in ((200, 0), (4, 1)):
        with counted_solves() as found:
            x = minimise(objective, start, step=1e-3, max_steps=steps)
        assert (found.count, found.short) == (1, short)
    assert found.worst == pytest.approx(((scales * x).norm() / scales.norm()).item())


def test_solves_on_a_gpu_are_counted_at_the_end_without_a_look_before():
    scales = torch.logspace(0, 4, 12)[None]
    with counted_solves() as here:
        conjugate_gradient(lambda x: scales * x, torch.ones(1, 12), max_steps=3)
        conjugate_gradient(lambda x: x, torch.ones(1, 12), max_steps=3)
    with PretendedGpu() as gpu:
        far, b = scales.to("meta"), torch.ones(1, 12).to("meta")
        with counted_solves() as there:
            conjugate_gradient(lambda x: far * x, b, max_steps=3)
            conjugate_gradient(lambda x: x, b, max_steps=3)
            assert not gpu.looks and there.count == 0
        assert sum(gpu.looks.values()) <= 2  # both of them at once
    assert (there.count, there.short) == (here.count, here.short) == (2, 1)
    assert there.worst == pytest.approx(here.worst)


def test_conjugate_gradient_takes_a_start_and_zeros():
    a, b = _positive(6, 1), torch.randn(1, 6, dtype=torch.float64)
    exact = torch.linalg.solve(a, b)
    calls = []

    def matvec(v):
        calls.append(1)
        return (a @ v[..., None])[..., 0]

    torch.testing.assert_close(conjugate_gradient(matvec, b, start=exact), exact)
    assert len(calls) == 1
    zero = torch.zeros(2, 6, dtype=torch.float64)
    assert torch.equal(conjugate_gradient(lambda v: v, zero), zero)


def test_noise_of_a_chain_is_the_same_in_any_company():
    alone, crowd = ChainNoise(7, [17]), ChainNoise(7, range(20))
    like = torch.zeros(1, 5, 3)
    for _ in range(3):
        assert torch.equal(alone(like)[0], crowd(like.expand(20, 5, 3))[17])


def test_noise_is_standard_normal_and_uncorrelated_between_chains_and_seeds():
    draws = ChainNoise(0, range(4))(torch.zeros(4, 50_000))
    other = ChainNoise(1, range(4))(torch.zeros(4, 50_000))
    correlation = torch.corrcoef(torch.cat([draws, other]))
    # 50 000 draws: standard errors 0.0045 of a mean or a correlation, 0.0032 of a std
    assert draws.mean(1).abs().max() < 0.02
    assert (draws.std(1) - 1).abs().max() < 0.02
    assert (correlation - torch.eye(8)).abs().max() < 0.025


def test_complex_noise_has_unit_variance_in_both_parts():
    z = ChainNoise(0, [0])(torch.zeros(1, 50_000, dtype=torch.complex64))
    assert abs(z.real.std() - 1) < 0.02 and abs(z.imag.std() - 1) < 0.02


def test_noise_goes_on_from_its_state():
    noise = ChainNoise(3, range(2))
    noise(torch.zeros(2, 7))
    state = noise.state()
    after = noise(torch.zeros(2, 7))
    noise.set_state(state)
    assert torch.equal(noise(torch.zeros(2, 7)), after)


def test_particles_draw_from_their_chain():
    one, three = ChainNoise(0, [0, 1]), ChainNoise(0, [0, 1])
    assert torch.equal(one(torch.zeros(2, 30)).reshape(6, 10), three(torch.zeros(6, 10)))
    with pytest.raises(ValueError, match="2 chains"):
        one(torch.zeros(3, 4))


def test_rows_repeat_each_observation_for_its_chains():
    assert per_chain(torch.tensor([1, 2]), 6).tolist() == [1, 1, 1, 2, 2, 2]
    with pytest.raises(ValueError, match="shared out"):
        per_chain(torch.tensor([1, 2]), 3)


def test_minimise_finds_each_chains_minimum():
    goal = torch.randn(4, 6, dtype=torch.float64)
    scale = torch.tensor([1.0, 10.0, 100.0, 1000.0], dtype=torch.float64)[:, None]

    def objective(x):
        away = x - goal
        return 0.5 * (scale * away**2).sum(1) + 0.25 * (away**4).sum(1), scale * away + away**3

    x = minimise(objective, torch.zeros_like(goal), step=1.0, rtol=1e-8)
    torch.testing.assert_close(x, goal, rtol=0, atol=1e-6)
