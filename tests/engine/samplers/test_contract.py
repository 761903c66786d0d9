"""What a sampler declares is what the driver gives it, and what it asks is what a prior offers."""

from dataclasses import replace

import pytest
import torch
from problems import copying, load, names, prior_for, samplers

from restore.priors.exact import gaussian
from restore.priors.prior import UNIT
from restore.samplers.base import Contract, Step, contract_of, sampler, states_per_chain
from restore.samplers.guidance import guided
from restore.samplers.integrators.integrators import ancestral, heun
from restore.sampling import loop
from restore.sampling.loop import iterate, sample

PRIOR = gaussian(torch.zeros(6), 3.0)


def plain(denoise, measurement, x, sigmas, randn_like):
    yield Step(x, denoise(x, sigmas[0].item()), sigmas[0].item())


def test_a_plain_function_is_a_sampler_with_the_default_contract():
    assert contract_of(plain) == Contract()
    assert states_per_chain(plain, {}) == 1
    assert sample(copying(), PRIOR, plain, chains=2, steps=3).samples.shape == (2, 6)


def test_a_direct_call_has_the_law_of_unit_variance():
    seen = []

    @sampler(law=True)
    def curious(denoise, measurement, x, sigmas, randn_like, *, variance):
        seen.append(variance)
        yield Step(x, x, 1.0)

    list(curious(PRIOR.denoise, copying(), torch.zeros(1, 6), torch.tensor([1.0, 0.0]), None))
    assert seen == [UNIT]


@pytest.mark.parametrize(
    "declared", [{"law": True}, {"integrator": True}, {"particles": "particles"}]
)
def test_what_is_declared_must_be_taken(declared):
    with pytest.raises(TypeError, match="that it lacks"):
        sampler(**declared)(plain)


def test_what_is_asked_is_a_tuple():
    with pytest.raises(TypeError, match="tuple of names"):
        sampler(asks="noise maps")


def asking(denoise, measurement, x, sigmas, randn_like):
    yield from plain(denoise, measurement, x, sigmas, randn_like)


@pytest.mark.parametrize("run", [sample, lambda *given, **more: list(iterate(*given, **more))])
def test_a_prior_that_does_not_offer_what_is_asked_is_refused(run):
    mapped = sampler(asks=("noise maps", "latent"))(asking)
    with pytest.raises(TypeError, match=r"asking needs noise maps, latent; .* nothing beyond"):
        run(copying(), replace(PRIOR, offers=frozenset()), mapped, steps=3)
    with pytest.raises(TypeError, match=r"asking needs latent; .* offers noise maps"):
        run(copying(), replace(PRIOR, offers=frozenset({"noise maps"})), mapped, steps=3)
    run(copying(), replace(PRIOR, offers=frozenset({"latent", "noise maps"})), mapped, steps=3)


def test_a_guidance_gets_what_it_declares():
    seen = {}

    @guided(law=True, draws=True, asks=("noise maps",))
    def curious(denoise, measurement, randn_like, *, strength: float = 2.0, variance):
        seen.update(variance=variance(1.0), strength=strength, draw=randn_like(torch.zeros(1, 6)))
        return denoise

    prior = replace(PRIOR, offers=frozenset({"noise maps"}))
    sample(copying(), prior, curious, steps=3, strength=1.0)
    assert (seen["variance"], seen["strength"]) == (pytest.approx(0.75), 1.0)
    assert contract_of(curious).asks == ("noise maps",)


def test_a_guided_sampler_is_what_its_integrator_lets_it_be():
    dps = load("dps")
    assert contract_of(dps).integrator and contract_of(dps).memoryless
    assert contract_of(dps, {"integrator": ancestral}).memoryless
    assert not contract_of(dps, {"integrator": heun}).memoryless
    asking_one = sampler(asks=("latent",))(asking)
    assert contract_of(dps, {"integrator": asking_one}).asks == ("latent",)


@pytest.mark.parametrize("name", names())
def test_the_registered_facts_and_the_contract_agree(name):
    facts, contract = samplers()[name].facts, contract_of(load(name))
    assert set(contract.asks) <= set(facts["needs"])
    assert (contract.particles is not None) == ("particles" in str(facts["calls"]))
    assert not (contract.integrator and facts.get("unconditional"))
    unconditional = facts["needs"] == ("nothing of the measurement",)
    assert bool(facts.get("unconditional")) == unconditional


@pytest.mark.parametrize("name", [n for n in names() if contract_of(load(n)).law])
def test_whoever_declares_the_law_looks_at_it(name):
    """But for guided samplers, which take it for their integrator's sake, and tds, which takes it
    on request."""
    if contract_of(load(name)).integrator or name == "tds":
        pytest.skip("takes it for another's sake")
    asked = []

    def law(sigma):
        asked.append(sigma)
        return UNIT(sigma)

    sample(copying(), replace(prior_for(name), variance=law), load(name), chains=2, steps=4)
    assert asked


def test_memory_is_shared_out_among_particles(monkeypatch):
    monkeypatch.setattr(loop, "free_memory", lambda device: 64 * 6 * 2 * 40)
    run = loop._Run(copying(), PRIOR, load("tds"), "cpu", None, {}, None, None)
    assert (run.fitting(100), states_per_chain(load("tds"), {})) == (5, 8)
    run = loop._Run(copying(), PRIOR, load("tds"), "cpu", None, {"particles": 2}, None, None)
    assert run.fitting(100) == 20
