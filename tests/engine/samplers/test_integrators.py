"""Unconditional samplers: the law of the prior, and the order at which they converge to it."""

import pytest
import torch
from direct import Counting, run
from problems import load, moments, samplers, sensing

from restore.priors.exact import gaussian, mixture
from restore.priors.prior import Prior
from restore.priors.schedules import karras
from restore.samplers.integrators.integrators import (
    analytic,
    ancestral,
    ddim,
    dpm_solver,
    dpm_solver_sde,
    heun,
)
from restore.samplers.integrators.predictor_corrector import predictor_corrector
from restore.samplers.integrators.restart import restart
from restore.sampling.loop import sample
from restore.testing.closed_forms import sliced_wasserstein

NAMES = [name for name in samplers() if samplers()[name].facts.get("unconditional")]


def variances(samples, of):
    """Mean over the directions of the variances' ratios."""
    return (samples.double().var(0) / of).mean().item()


def test_there_are_eight():
    assert sorted(NAMES) == [
        "analytic", "ancestral", "ddim", "dpm-solver", "dpm-solver-sde", "heun",
        "predictor-corrector", "restart",
    ]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_the_law_of_a_gaussian_prior_is_sampled(name):
    """200 steps, 4000 chains of 4 directions: 5 standard errors are 0.08 of a std, 0.06 of the
    mean ratio; ancestral steps are short of variance by 5 % (their bias, of first order)."""
    mean, spread = torch.tensor([0.0, 1.0, -2.0, 0.5]), torch.tensor([0.1, 0.5, 1.0, 3.0])
    samples = run(load(name), gaussian(mean, spread), chains=4000, steps=200)
    assert ((samples.mean(0) - mean) / spread.sqrt()).abs().max() < 0.09
    assert variances(samples, spread) == pytest.approx(1.0, abs=0.12)


@pytest.mark.parametrize("name", NAMES)
def test_the_law_of_a_mixture_is_sampled(name):
    """Three modes of unequal weight in 8 dimensions, as far from exact draws as their own floor
    (0.05 for two sets of 2000) allows: twice that."""
    generator = torch.Generator().manual_seed(0)
    means = 3 * torch.randn(3, 8, generator=generator).double()
    weights = torch.tensor([0.6, 0.3, 0.1]).double()
    which = torch.multinomial(weights, 2000, True, generator=generator)
    exact = means[which] + 0.5 * torch.randn(2000, 8, generator=generator)
    samples = run(load(name), mixture(weights, means, 0.25), steps=100)
    assert sliced_wasserstein(samples, exact, slices=200) < 0.12


ORDERS = {"ddim": (ddim, 1), "heun": (heun, 2), "dpm-solver": (dpm_solver, 2)}


@pytest.mark.parametrize("name", list(ORDERS))
def test_the_order_of_convergence_on_the_exact_flow(name):
    """x0 ~ N(m, v): the flow ends at m + (x - m) sqrt(v / (v + sigma_max^2)). Halving the steps'
    length divides the error by 2^order: between 2^(order - 0.3) and 2^(order + 0.6)."""
    sampler, order = ORDERS[name]
    variance, x = torch.linspace(0.3, 2, 5).double(), torch.linspace(-90, 120, 5)[None].double()
    prior = gaussian(torch.full((5,), 0.5), variance)
    exact = 0.5 + (x - 0.5) * (variance / (variance + prior.sigma_max**2)).sqrt()
    short, long = ((run(sampler, prior, x=x, steps=n) - exact).norm().item() for n in (320, 160))
    assert 2 ** (order - 0.3) < long / short < 2 ** (order + 0.6)
    assert short < 0.02 * exact.norm()


def test_second_order_is_nearer_than_first_for_the_same_calls():
    x = torch.linspace(-90, 120, 5)[None].double()
    prior = gaussian(torch.zeros(5), 1.0)
    exact = x * (1 / (1 + prior.sigma_max**2)) ** 0.5
    off = {
        name: (run(sampler, prior, x=x, steps=steps) - exact).norm()
        for name, sampler, steps in (
            ("ddim", ddim, 80),
            ("heun", heun, 40),
            ("dpm", dpm_solver, 80),
        )
    }
    assert off["heun"] < 0.3 * off["ddim"]
    assert off["dpm"] < 0.3 * off["ddim"]


def test_the_second_order_sde_keeps_more_of_the_variance_than_ancestral_steps():
    """At 50 steps ancestral has lost a fifth of it, SDE-DPM-Solver++ nothing (0.79 and 1.02)."""
    prior = gaussian(torch.zeros(4), 1.0)
    first, second = (run(s, prior, chains=4000, steps=50) for s in (ancestral, dpm_solver_sde))
    one = torch.ones(4)
    assert variances(first, one) < 0.85
    assert variances(second, one) == pytest.approx(1.02, abs=0.06)


@pytest.mark.parametrize("steps", [5, 20, 100])
def test_analytic_steps_keep_the_variance_at_any_number_of_steps(steps):
    """16 000 values: 5 standard errors of the mean ratio are 0.056."""
    samples = run(analytic, gaussian(torch.zeros(4), 1.0), chains=4000, steps=steps)
    assert variances(samples, torch.ones(4)) == pytest.approx(1.0, abs=0.056)


def test_analytic_steps_of_a_guided_sampler_are_right_where_nothing_was_measured():
    """tmpd, 50 steps: unobserved variance 0.99 (ancestral 0.79), observed 1.08 (0.80)."""
    measurement, prior = sensing(0.5), gaussian(torch.zeros(16), 1.0)
    options = {"chains": 300, "integrator": analytic}
    _, observed, unobserved = moments(
        sample(measurement, prior, load("tmpd"), **options).samples, measurement
    )
    # 300 chains, 8 directions: 3 standard errors are 0.09
    assert unobserved == pytest.approx(0.99, abs=0.09)
    assert observed == pytest.approx(1.08, abs=0.09)


def test_eta_one_of_ddim_is_ancestral():
    prior = gaussian(torch.zeros(4), 1.0)
    one, other = (
        run(s, prior, chains=3, steps=20, **o) for s, o in ((ddim, {"eta": 1.0}), (ancestral, {}))
    )
    torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_churn_keeps_the_law():
    samples = run(heun, gaussian(torch.zeros(4), 1.0), chains=4000, churn=40.0)
    assert variances(samples, torch.ones(4)) == pytest.approx(1.0, abs=0.06)


def test_restart_forgets_a_wrong_start():
    """All chains begin at one point: the flow ends at one point, Restart's noise spreads them.

    Up and down again from 0.1 to 1 std: a run leaves (0.1^2 + 1 / 2) of the old variance missing,
    three runs an eighth.
    """
    prior, x = gaussian(torch.zeros(4), 1.0), torch.zeros(4000, 4)
    assert run(heun, prior, x=x).std() < 1e-6
    found = [variances(run(restart, prior, x=x, repeats=k), torch.ones(4)) for k in (1, 3)]
    assert found[0] == pytest.approx(0.5, abs=0.08)
    assert found[1] == pytest.approx(0.875, abs=0.08)


def test_restart_without_repeats_is_heun():
    prior = gaussian(torch.zeros(4), 1.0)
    torch.testing.assert_close(
        run(restart, prior, chains=3, repeats=0), run(heun, prior, chains=3), rtol=0, atol=0
    )


def test_the_corrector_gives_back_what_the_predictor_lost():
    """40 steps: ancestral is short by 0.24 of the variance, four corrections leave 0.17."""
    prior, one = gaussian(torch.zeros(16), 1.0), torch.ones(16)
    short = 1 - variances(run(ancestral, prior, steps=40), one)
    mended = 1 - variances(run(predictor_corrector, prior, steps=40, corrections=4), one)
    assert short > 0.15
    assert 0 < mended < 0.8 * short


def test_a_corrector_s_step_is_in_units_of_the_noise_level():
    """Whatever the number of values: the same law for 8 and for 200 of them."""
    found = [
        variances(run(predictor_corrector, gaussian(torch.zeros(n), 1.0), steps=40), torch.ones(n))
        for n in (8, 200)
    ]
    assert found[0] == pytest.approx(found[1], abs=0.05)


CALLS = {"analytic": 20, "ancestral": 20, "ddim": 20, "heun": 39, "dpm-solver": 20,
         "dpm-solver-sde": 20, "predictor-corrector": 40}  # fmt: skip


@pytest.mark.parametrize("name", list(CALLS))
def test_network_calls_are_counted(name):
    denoise = Counting(gaussian(torch.zeros(4), 1.0).denoise)
    run(load(name), Prior(denoise, (4,), 0.002, 100.0), chains=2, steps=20)
    assert denoise.calls == CALLS[name]


@pytest.mark.parametrize("repeats", [0, 1, 4])
def test_restart_calls_are_those_of_its_interval(repeats):
    denoise = Counting(gaussian(torch.zeros(4), 1.0).denoise)
    prior = Prior(denoise, (4,), 0.002, 100.0)
    run(restart, prior, chains=2, steps=40, repeats=repeats)
    sigmas = karras(prior.sigma_max, prior.sigma_min, 40)
    inside = int(((sigmas >= 0.1) & (sigmas <= 1)).sum())
    assert denoise.calls == 79 + repeats * 2 * (inside - 1)
