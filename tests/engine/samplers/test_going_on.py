"""A run that is cut off, anywhere, goes on where it was, and ends as one that was not."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from problems import copying, load, names, posed, prior_for

from restore.samplers.base import Step, contract_of
from restore.samplers.integrators.integrators import dpm_solver, heun
from restore.samplers.integrators.predictor_corrector import predictor_corrector
from restore.samplers.integrators.restart import restart
from restore.sampling.loop import sample
from restore.sampling.watchers import Trace

FURTHER = [
    ("tds", {"passes": 3}),
    ("tds", {"particles": 1, "passes": 4}),
    ("dds", {"tv_axis": 0}),
    ("heun", {"churn": 5.0}),
    ("ilvr", {"free": 0.3}),
    ("daps", {"step": "paper"}),
    ("pigdm", {"step": "paper"}),
    ("dps", {"integrator": heun}),
    ("dps", {"integrator": dpm_solver}),
    ("dps", {"integrator": restart}),
    ("lgd", {"integrator": predictor_corrector}),
    ("free-hunch", {"integrator": dpm_solver}),
    ("free-hunch", {"integrator": restart}),
]
every = pytest.mark.parametrize(
    ("name", "options"),
    [*((name, {}) for name in names()), *FURTHER],
    ids=lambda part: part if isinstance(part, str) else "-".join(map(str, part.values())),
)


class Calls:
    """A denoiser that counts, and is cut off at a call."""

    def __init__(self, denoise, last=None):
        self.denoise, self.last, self.made = denoise, last, 0

    def __call__(self, x, sigma):
        if self.made == self.last:
            raise KeyboardInterrupt
        self.made += 1
        return self.denoise(x, sigma)


def run(name, calls, options, *, watch=(), path=None):
    """3 chains in chunks of 2 and 1, 9 levels."""
    prior = replace(prior_for(name), denoise=calls)
    return sample(
        posed(name), prior, load(name), chains=3, steps=9, batch_size=2, watch=watch,
        checkpoint=path, **options,
    )  # fmt: skip


@every
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_run_cut_off_within_a_step_goes_on_at_that_step(name, options, share, tmp_path):
    path, at_steps = tmp_path / "state", [0]
    whole, trace = Calls(prior_for(name).denoise), Trace(posed(name))
    count = lambda step, index, total: at_steps.append(whole.made)  # noqa: E731
    expected = run(name, whole, options, watch=[trace, count])
    cut = Calls(prior_for(name).denoise, last=int(share * whole.made))
    with pytest.raises(KeyboardInterrupt) as met:
        run(name, cut, options, watch=[Trace(posed(name))], path=path)
    assert not hasattr(met.value, "__notes__")
    rest, rows = Calls(prior_for(name).denoise), Trace(posed(name))
    found = run(name, rest, options, watch=[rows], path=path)
    assert not path.exists()
    assert torch.equal(found.samples, expected.samples)
    longest = max(b - a for a, b in pairwise(at_steps))
    assert cut.made + rest.made < whole.made + longest  # no step but the one under way is redone
    assert rows.rows == trace.rows
    told = ("calls", "pullbacks", "encodes", "decodes")
    assert [found.provenance.get(key) for key in told] == [
        expected.provenance.get(key) for key in told
    ]


@every
def test_every_sampler_goes_on(name, options):
    assert contract_of(load(name), options).goes_on


def secretive(denoise, measurement, x, sigmas, randn_like):
    """A sampler that declares nothing."""
    for sigma in sigmas[:-1].tolist():
        x = denoise(x, sigma) + 0.1 * randn_like(x)
        yield Step(x, x, sigma)


def test_a_sampler_that_declares_nothing_begins_its_chunk_again_and_says_so(tmp_path):
    prior, path = prior_for("dps"), tmp_path / "state"
    given = {"chains": 3, "steps": 9, "batch_size": 2, "checkpoint": path}
    cut = Calls(prior.denoise, last=14)
    with pytest.raises(KeyboardInterrupt) as met:
        sample(copying(), replace(prior, denoise=cut), secretive, **given)
    assert met.value.__notes__ == ["secretive does not go on in mid-run: its chains begin again"]
    rest = Calls(prior.denoise)
    found = sample(copying(), replace(prior, denoise=rest), secretive, **given)
    assert rest.made == 9  # the second chunk, whole
    given.pop("checkpoint")
    assert torch.equal(found.samples, sample(copying(), prior, secretive, **given).samples)


def test_a_checkpoint_that_is_kept_has_the_samples(tmp_path):
    prior, path = prior_for("dps"), tmp_path / "state"
    first = Calls(prior.denoise)
    given = {"chains": 2, "steps": 5, "checkpoint": path, "keep_checkpoint": True}
    expected = sample(copying(), replace(prior, denoise=first), load("dps"), **given)
    again = Calls(prior.denoise)
    found = sample(copying(), replace(prior, denoise=again), load("dps"), **given)
    assert (first.made, again.made) == (5, 0)
    assert torch.equal(found.samples, expected.samples)
    assert found.provenance["calls"] == 5


class Small:
    """A denoiser on a device that holds no more than so many rows."""

    def __init__(self, denoise, rows):
        self.denoise, self.rows, self.seen = denoise, rows, []

    def __call__(self, x, sigma):
        self.seen.append(len(x))
        if len(x) > self.rows:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return self.denoise(x, sigma)


def test_out_of_memory_halves_the_batch_and_says_so(tmp_path):
    prior = prior_for("dps")
    small = Small(prior.denoise, 2)
    given = {"chains": 7, "steps": 4, "checkpoint": tmp_path / "state"}
    with pytest.warns(UserWarning, match=r"out of memory with 7 chains .* 4 at a time") as said:
        found = sample(copying(), replace(prior, denoise=small), load("dps"), **given)
    assert [str(one.message)[:29] for one in said] == [
        "out of memory with 7 chains a", "out of memory with 4 chains a"
    ]  # fmt: skip
    assert small.seen == [7, 4, *[2] * 4, *[2] * 4, *[2] * 4, *[1] * 4]
    assert found.provenance["calls"] == 4
    expected = sample(copying(), prior, load("dps"), chains=7, steps=4, batch_size=2)
    torch.testing.assert_close(found.samples, expected.samples, rtol=1e-4, atol=1e-4)


def test_out_of_memory_with_a_single_chain_is_said_as_it_is():
    with pytest.raises(torch.OutOfMemoryError):
        prior = replace(prior_for("dps"), denoise=Small(prior_for("dps").denoise, 0))
        sample(copying(), prior, load("dps"), chains=2, steps=4)
