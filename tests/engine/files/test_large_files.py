"""Large signals: fewer chains and steps where the user named none, and a word on it."""

from pathlib import Path

import pytest
from tiny import grid, restore, tiny  # noqa: F401

from restore.files import task
from restore.files.problem import Settings, pose
from restore.files.task import SamplerChoice

CHOICE = SamplerChoice("ddnm", steps=30, chains=8, steps_alone=20)


@pytest.mark.parametrize(
    ("millions", "asked", "expected"),
    [
        (1, (None, None), (8, 30, 20)),  # a small one: the recipe's own
        (10, (None, None), (3, 30, 20)),  # fewer chains
        (36, (None, None), (2, 13, 13)),  # a photograph of 12 megapixels: steps, too
        (10**4, (None, None), (2, 10, 10)),  # but never fewer than that
        (36, (8, None), (8, 10, 10)),  # what the user asks for stands
        (36, (None, 30), (2, 30, 20)),
        (36, (8, 30), (8, 30, 20)),
    ],
)
def test_chains_and_steps_follow_the_size(millions, asked, expected):
    fit = CHOICE.for_size(millions * 10**6, *asked)
    assert (asked[0] or fit.chains, asked[1] or fit.steps, fit.steps_alone) == expected
    assert (fit.name, fit.options) == (CHOICE.name, CHOICE.options)


def test_what_a_large_file_gets_is_said(tiny, monkeypatch):  # noqa: F811
    grid("small.grid", 4, 5)
    monkeypatch.setattr(task, "WORK", 1000)
    settings = Settings.of("calm", noise=0.1)
    problem = pose(Path("a.grid"), settings)  # 30 values: 8 chains of 10 steps are 2400
    on = settings.sampling.on(problem.task.sampler)
    assert (on.chains, on.steps) == (3, 10)
    said = restore("run", "calm", "a.grid", "-o", "out", "--noise", "0.1")
    assert "3 chains" in said.stderr and "mean and std of 3 samples" in said.stdout
    assert "chains x steps 3 x 10 for 0 million values; 8 x 10 of small ones" in said.stderr
    said = restore("run", "calm", "a.grid", "-o", "more", "--noise", "0.1", "--chains", "8")
    assert "8 chains" in said.stderr and "chains x steps" not in said.stderr
