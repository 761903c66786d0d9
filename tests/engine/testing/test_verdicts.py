"""restore verify's verdict: what holds, what is biased as documented, and what fails."""

import json
from dataclasses import replace

import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from restore.cli import main
from restore.measurement.noise import Gaussian
from restore.plugins.registry import Entry
from restore.sampling.loop import sample
from restore.sampling.posterior import Posterior
from restore.testing import verdicts, verify
from restore.testing.cases import data_case
from restore.testing.verdicts import BIASED, FAILS, HOLDS, UNTRIED, documented
from restore.testing.verify import Row, posterior_samplers


def entry(name: str, exactness: str) -> Entry:
    return Entry("sampler", name, "x:y", "", "a plugin", {"exactness": exactness, "needs": ()})


def verdict(name: str, *rows: Row, exactness: str = "exact in the limit of short steps"):
    return verdicts.verdicts(rows, [entry(name, exactness)], 1000)[0]


def row(name: str, mean=0.05, observed=1.0, unobserved=1.0, case="gaussian", **more) -> Row:
    return Row(case, name, mean, observed, unobserved, **more)


def test_what_is_near_the_posterior_holds():
    found = verdict("new", row("new"), row("new", 0.1, 1.1, None, case="digits"))
    assert found.verdict == HOLDS
    assert "mean 0.10 deviations off" in found.why and "1.00 to 1.10" in found.why


@pytest.mark.parametrize(
    "figures", [(0.5, 1.0, 1.0), (0.05, 0.6, 1.0), (0.05, 1.0, 1.6), (0.05, 0.0, 1.0)]
)
def test_a_sampler_said_to_be_exact_fails_where_it_is_not(figures):
    assert verdict("new", row("new"), row("new", *figures, case="signless")).verdict == FAILS
    approximate = verdict("new", row("new", *figures), exactness="approximate: too narrow")
    assert approximate.verdict == BIASED


def test_a_documented_bias_may_be_as_large_as_it_was_and_no_larger(monkeypatch):
    known = {"known": {"gaussian": [0.4, 0.5, 1.0]}}
    monkeypatch.setattr(verdicts, "documented", lambda: known)
    assert verdict("known", row("known", 0.4, 0.5)).verdict == BIASED
    assert verdict("known", row("known", 0.1, 1.0)).verdict == HOLDS
    assert verdict("known", row("known", 0.9, 0.5)).verdict == FAILS
    found = verdict("known", row("known", 0.4, 0.2))
    assert found.verdict == FAILS and "documented for gaussian: 0.40, 0.50, 1.00" in found.why
    assert verdict("known", row("known", 3.0, case="on data")).verdict == BIASED


def test_what_held_must_hold_on_other_data(monkeypatch):
    monkeypatch.setattr(verdicts, "documented", lambda: {"right": {"gaussian": [0.05, 1, 1]}})
    assert verdict("right", row("right", 3.0, case="on data")).verdict == FAILS


def test_chains_that_leave_the_real_numbers_fail_and_others_are_not_tried():
    broken = Row("gaussian", "new", reason="the chains left the real numbers", broken=True)
    assert verdict("new", row("new", case="digits"), broken).verdict == FAILS
    unfit = Row("gaussian", "new", reason="takes linear operators alone")
    assert verdict("new", unfit) == ("new", UNTRIED, "takes linear operators alone")


def test_every_sampler_of_the_house_is_documented():
    """Those that no quick case is for stand apart, each for its reason."""
    unfit = {"repaint", "stochastic-denoising"}
    of_the_house = {e.name for e in posterior_samplers() if e.plugin == "restore"}
    assert of_the_house - unfit == set(documented())


def test_the_command_gives_a_verdict_and_its_status(monkeypatch):
    words = ["verify", "ddrm", "daps", "--case", "gaussian", "--chains", "100", "--steps", "40"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    first, second = result.stdout.splitlines()
    assert first.split()[:2] == ["ddrm", "biased"] and second.split()[:2] == ["daps", "holds"]
    monkeypatch.setattr(verdicts, "documented", lambda: {"ddrm": {"gaussian": [0.0, 1.0, 1.0]}})
    result = CliRunner().invoke(main, [*words, "--json"])
    assert result.exit_code == 1
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line.get("verdict") for line in lines[-2:]] == [FAILS, HOLDS]


def test_signals_of_ones_own_are_a_prior_whose_posterior_is_known(tmp_path):
    generator = torch.Generator().manual_seed(0)
    case = data_case(torch.rand(40, 3, 5, 4, generator=generator))
    left = 1 / case.after.weights.square().sum()
    assert 3 < left < 12 and case.measurement.operator.in_shape == (3, 4, 4)
    with pytest.raises(ValueError, match="three signals"):
        data_case(torch.rand(2, 1, 4, 4))
    for i in range(12):
        pixels = (255 * torch.rand(20, 24, generator=generator)).byte().numpy()
        Image.fromarray(pixels).save(tmp_path / f"{i}.png")
    words = ["verify", "ddrm", "--on-data", str(tmp_path), "--chains", "60", "--steps", "30"]
    result = CliRunner().invoke(main, words)
    assert result.stdout.startswith("ddrm ") and "on data" in result.stdout
    both = CliRunner().invoke(main, [*words, "--case", "gaussian"])
    assert both.exit_code == 2 and "not both" in both.output


BROKEN = {
    "blind": lambda run, measurement: run(measurement.with_y(0 * measurement.y)),
    "of four fifths of y": lambda run, measurement: run(measurement.with_y(0.8 * measurement.y)),
    "sure of noise": lambda run, measurement: run(
        measurement.with_y(measurement.y, Gaussian(measurement.noise.std / 3))
    ),
    "narrow": lambda run, measurement: _moved(run(measurement), 0.5, 0),
    "off": lambda run, measurement: _moved(run(measurement), 1, 0.5),
}


def _moved(posterior: Posterior, width: float, off: float) -> Posterior:
    """Samples so many times as wide about their mean, and off by so many of their deviations."""
    samples, mean = posterior.samples, posterior.mean
    return replace(posterior, samples=mean + width * (samples - mean) + off * samples.std(0))


@pytest.mark.parametrize("wrong", BROKEN.values(), ids=BROKEN)
def test_samplers_broken_on_purpose_fail_the_quick_cases(wrong, monkeypatch):
    """Exact ones, and ones whose documented bias is large, by small mistakes."""

    def broken(measurement, prior, sampler, **how):
        return wrong(lambda seen: sample(seen, prior, sampler, **how), measurement)

    names, cases = ["mcgdiff", "pigdm", "ddrm", "diffpir"], ["gaussian", "gaussian-noisy"]
    monkeypatch.setattr(verify, "sample", broken)
    rows = list(verify.verify(names, cases, quick=True))
    found = verdicts.verdicts(rows, verify.chosen(names), verify.QUICK_CHAINS)
    assert [one.verdict for one in found] == [FAILS] * 4, found


def test_what_is_no_nearer_than_samples_that_ignore_y_fails_whatever_it_says_of_itself():
    blind = row(verify.IGNORE, 3.8)
    for mean, expected in ((3.9, FAILS), (2.0, BIASED)):
        rows = [blind, row("new", mean)]
        label = [entry("new", "approximate: too narrow")]
        assert verdicts.verdicts(rows, label, 1000)[0].verdict == expected
