"""Laws that every sampler keeps; whoever registers one gets them all."""

import inspect

import pytest
import torch
from problems import WHOLE, load, names, posed, prior_for, samplers

from restore.measurement.measurement import Measurement, stack
from restore.measurement.noise import Gaussian
from restore.measurement.operator import Scaled
from restore.samplers.base import Step, contract_of
from restore.sampling.loop import iterate, sample
from restore.testing.verify import stated_calls

every = pytest.mark.parametrize("name", names())


def run(name, measurement=None, *, chains=3, steps=12, **options):
    measurement = posed(name) if measurement is None else measurement
    return sample(measurement, prior_for(name), load(name), chains=chains, steps=steps, **options)


@every
def test_the_signature_is_a_samplers(name):
    parameters = list(inspect.signature(load(name)).parameters.values())
    assert [p.name for p in parameters[:5]] == [
        "denoise", "measurement", "x", "sigmas", "randn_like",
    ]  # fmt: skip
    for option in parameters[5:]:
        assert option.kind is option.KEYWORD_ONLY
        assert option.default is not option.empty
        assert option.annotation is not option.empty


@every
def test_the_entry_says_what_it_is(name):
    facts = samplers()[name].facts
    assert facts["exactness"].startswith(("exact", "approximate"))
    assert facts["needs"] and facts["calls"] and facts["paper"]


@every
def test_a_chain_does_not_depend_on_its_batch(name):
    together = run(name, chains=4, batch_size=4).samples
    in_chunks = run(name, chains=4, batch_size=3).samples
    # products of other shapes round differently, in the last bits of float32
    torch.testing.assert_close(together, in_chunks, rtol=2e-3, atol=2e-3)


@every
def test_seed_zero_is_a_seed(name):
    assert torch.equal(run(name, seed=0).samples, run(name, seed=0).samples)
    assert not torch.equal(run(name, seed=0).samples, run(name, seed=1).samples)


@every
def test_chains_differ(name):
    samples = run(name, chains=2).samples
    assert (samples[0] - samples[1]).abs().max() > 1e-3


@every
def test_float32_and_float64_agree(name):
    single = run(name, precision="float32").samples.double()
    double = run(name, precision="float64").samples
    # rounding of float32 (6e-8) grown over 12 steps whose gains reach sigma / std ~ 1e3
    torch.testing.assert_close(single, double, rtol=1e-2, atol=1e-2)


@every
def test_the_units_of_the_measurement_do_not_matter(name):
    measurement = posed(name)
    if name in {"repaint", *WHOLE}:
        pytest.skip("takes copies only: a scaled copy is none")
    scaled = Measurement(
        1000 * measurement.y, Scaled(1000.0, measurement.operator), Gaussian(1000 * 0.1)
    )
    torch.testing.assert_close(
        run(name, precision="float64").samples,
        run(name, scaled, precision="float64").samples,
        rtol=1e-3,
        atol=1e-3,
    )


@every
def test_the_units_of_the_signal_do_not_matter(name):
    measurement = posed(name)
    prior = prior_for(name, scale=100.0)
    larger = Measurement(100 * measurement.y, measurement.operator, Gaussian(100 * 0.1))
    samples = sample(larger, prior, load(name), chains=3, steps=12, precision="float64").samples
    torch.testing.assert_close(
        samples / 100, run(name, precision="float64").samples, rtol=1e-3, atol=1e-3
    )


@every
def test_a_stack_is_one_at_a_time(name):
    std = 0.1 if name in WHOLE else 0.3
    first, second = posed(name, seed=0), posed(name, std, seed=1, even=True)
    stacked = run(name, stack([first, second]), precision="float64")
    for index, alone in enumerate((first, second)):
        torch.testing.assert_close(
            stacked.observation(index).samples,
            run(name, alone, precision="float64").samples,
            rtol=1e-3,
            atol=1e-3,
        )


@every
def test_steps_come_at_every_level_and_end_at_the_sample(name):
    steps = list(iterate(posed(name), prior_for(name), load(name), chains=3, steps=12))
    assert all(isinstance(step, Step) for step in steps)
    assert len(steps) >= 12
    made = run(name)
    states = made.samples if made.latents is None else made.latents
    assert torch.equal(steps[-1].x.float(), states)


@every
def test_it_never_calls_the_network_more_often_than_it_says(name):
    calls = run(name, steps=12).provenance["calls"]
    assert calls <= stated_calls(samplers()[name], load(name), {}, 12)


@every
def test_gradients_do_not_leak_into_the_caller(name):
    assert torch.is_grad_enabled()
    for step in iterate(posed(name), prior_for(name), load(name), chains=2, steps=4):
        assert torch.is_grad_enabled()
        assert not step.x.requires_grad and not step.denoised.requires_grad


@every
def test_nothing_is_drawn_from_the_global_generator(name):
    torch.manual_seed(0)
    before = torch.get_rng_state()
    run(name)
    assert torch.equal(torch.get_rng_state(), before)


@every
@pytest.mark.parametrize("steps", [20, 500])
def test_the_defaults_hold_from_few_steps_to_many(name, steps):
    if samplers()[name].facts.get("unconditional"):
        pytest.skip("samples the prior: does not look at the measurement")
    several = contract_of(load(name)).particles is not None  # in each chain
    samples = run(name, chains=40 if several else 200, steps=steps).samples
    kept = samples[:, 1::2]
    assert torch.isfinite(samples).all()
    # measured values: within 4 noise standard deviations of y; unmeasured: not collapsed, not wild
    assert (kept.mean(0) - posed(name).y[0, 1::2]).abs().max() < 0.4
    if samplers()[name].facts.get("point"):
        pytest.skip("gives a point: its spread has no meaning")
    assert 0.02 < samples[:, ::2].var() < 5
