"""Small inputs of one shape go through the network at once, and are what they are alone."""

import json
import subprocess
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny_parts
import torch
from run_ledgers import done_once, events, grids
from tiny import grid, restore, tiny, tree  # noqa: F401

from restore.files.answers import together
from restore.files.answers.answering import answer
from restore.files.problem import Settings, pose
from restore.files.runs.claims import this_process
from restore.files.runs.run_folder import RunFolder
from restore.files.task import SamplerChoice

pytestmark = pytest.mark.usefixtures("tiny")
STEPS = 6
# of a few sums in float32, in an order that depends on how many signals there are
ROUNDING = {"rtol": 1e-5, "atol": 1e-6}
NAMES = {f"{number:03}" for number in range(10)}


def words(*more: str) -> list[str]:
    return [*grids(10), "--sampler", "slow", "--steps", str(STEPS), *more]


def same(one: str, other: str, names: set[str]) -> None:
    for name in names:
        for array in ("mean.npy", "std.npy", "samples.npy"):
            made, wanted = (np.load(f"{out}/{name}/{array}") for out in (one, other))
            np.testing.assert_allclose(made, wanted, **ROUNDING)
        facts = [json.loads(Path(f"{out}/{name}/report.json").read_text()) for out in (one, other)]
        for key in ("calls", "steps", "seed", "doubts", "intervals"):
            assert facts[0][key] == facts[1][key]
        traces = [[row["chi_square"] for row in each["trace"]] for each in facts]
        np.testing.assert_allclose(*traces, rtol=1e-4)


def test_inputs_of_one_shape_share_their_calls_and_keep_their_samples():
    flags = words("--samples")
    assert restore(*flags[:3], "-o", "alone", *flags[5:]).exit_code == 0
    alone = tiny_parts.INTERRUPT["calls"]
    assert alone == 2 * 10 * STEPS  # and as many on thinned data
    assert restore(*flags, "--together", "8").exit_code == 0
    assert tiny_parts.INTERRUPT["calls"] == alone + 2 * 2 * STEPS  # eight, then two
    same("out", "alone", NAMES)
    done_once(NAMES)


def test_others_among_them_are_done_by_themselves(monkeypatch):
    monkeypatch.setattr(together, "SMALL", 100)
    grid("in/large.grid", 8, 8)
    grid("in/odd.grid", 3, 5)
    flags = words("--samples", "--no-held-out")
    Path("in/bad.grid").write_text("what")
    result = restore(*flags, "--together", "64")
    assert result.exit_code == 3 and "1 of 13 inputs failed: in/bad.grid" in result.stderr
    assert tiny_parts.INTERRUPT["calls"] == 3 * STEPS  # ten, the large one, the odd one
    restore(*flags[:3], "-o", "alone", *flags[5:])
    same("out", "alone", NAMES | {"large", "odd"})


@pytest.mark.parametrize(("first", "calls"), [((3.0, 3.0), 2), ((3.0, 2.0), 4)])
def test_only_those_of_the_same_noise_levels_share_their_calls(first, calls):
    settings = Settings.of("calm", noise=0.1, sampler="slow", steps=2, chains=1, device="cpu")
    problems = []
    for name, level in zip("ab", first):
        problem = pose(grid(f"{name}.grid", 4, 4), settings)
        choice = SamplerChoice("slow", 2, schedule=lambda _, s=level: torch.tensor([s, 0.1, 0.0]))
        task = replace(problem.task, sampler=choice)
        problems.append((replace(problem, task=task), settings, Path(name)))
    problems[1] = (replace(problems[1][0], prior=problems[0][0].prior), *problems[1][1:])
    drawn = together.Drawn()
    drawn.draw(problems, 8)
    for problem, _, checkpoint in problems:
        answer(problem, settings, checkpoint, drawn=drawn)
    assert tiny_parts.INTERRUPT["calls"] == calls


def test_those_of_a_worker_that_died_are_done_alone_to_tell_which_it_was():
    flags = words("--no-held-out", "--together", "64")
    process = subprocess.Popen(["sleep", "0"])
    process.wait()
    claims = RunFolder(Path("out")).claims
    claims.mkdir(parents=True)
    for name in ("000", "004", "007"):
        dead = {**this_process(), "pid": process.pid, "worker": "dead"}
        (claims / name).write_text(json.dumps(dead))
    assert restore(*flags).exit_code == 0
    assert tiny_parts.INTERRUPT["calls"] == (1 + 3) * STEPS
    done_once(NAMES)
    crashed = Counter(event["name"] for event in events() if event["event"] == "crashed")
    assert crashed == Counter(["000", "004", "007"])


def test_an_interrupt_gives_back_all_that_was_claimed():
    tiny_parts.INTERRUPT |= {"calls": 0, "after": 3}
    assert restore(*words("--together", "8")).exit_code == 130
    assert tree(Path("out/.restore/claims")) == []
    assert restore(*words("--together", "8")).exit_code == 0
    done_once(NAMES)
