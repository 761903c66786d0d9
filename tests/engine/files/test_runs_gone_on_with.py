"""Whatever takes long saves itself: runs on held-out data, and the frames of a sequence."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny_parts
import torch
from tiny import grid, tiny, tree  # noqa: F401

from restore.files.problem import Settings
from restore.files.restoring import restore_file
from restore.files.task import Frames, Recipe
from restore.sampling.held_out import Split

KEPT = Path("out/.a.checkpoint")


def solve_by_halves(record, noise):
    """A grid, of which every other row is kept back."""
    rows = torch.arange(record.signal.shape[1])[:, None].expand(record.signal.shape) % 2
    half = [tiny_parts._solve(record, noise, (rows == i).float()).measurement for i in (0, 1)]
    task = tiny_parts._solve(record, noise, torch.ones_like(record.signal))
    choice = replace(task.sampler, name="slow", candidate_options=({"trust": 1.0}, {"trust": 2.0}))
    return replace(task, sampler=choice, held_out_split=lambda: Split(*half))


def solve_frames(record, noise):
    """A stack of grids as frames, each begun from the one before."""

    def frame(k):
        part = record.with_signal(record.signal[:, k : k + 1])
        task = tiny_parts._solve(part, 0.1, torch.ones_like(part.signal))
        return replace(task, sampler=replace(task.sampler, name="slow"))

    return replace(frame(1), frames=Frames(record.signal.shape[1], 1, record, frame, 0.5))


def cut_off(source, settings, after, monkeypatch):
    """Cut a run off after so many steps, and go on with it; how many steps it took then."""
    monkeypatch.setattr(tiny_parts, "INTERRUPT", {"after": after, "calls": 0})
    with pytest.raises(KeyboardInterrupt):
        restore_file(source, Path("out/a"), settings, checkpoint=KEPT)
    assert not Path("out/a").exists()
    before = tiny_parts.INTERRUPT["calls"]
    restore_file(source, Path("out/a"), settings, checkpoint=KEPT)
    assert [name for name in tree(Path("out")) if "checkpoint" in name] == []
    return tiny_parts.INTERRUPT["calls"] - before


def same_answers(names):
    """Whether both runs wrote the same arrays, and their reports the same trace and facts."""
    for name in names:
        assert np.array_equal(np.load(f"out/whole/{name}"), np.load(f"out/a/{name}"))
    whole, found = (json.loads(Path(f"out/{n}/report.json").read_text()) for n in ("whole", "a"))
    for key in ("trace", "calls", "chi_square"):
        assert whole[key] == found[key]


@pytest.mark.parametrize("after", [4, 13, 27])  # in the runs without rows, and in the last one
def test_runs_on_held_out_data_are_gone_on_with(after, tiny, monkeypatch):  # noqa: F811
    monkeypatch.setattr(tiny_parts, "calm", Recipe(solve_by_halves))
    settings = Settings.of("calm", noise=0.1, samples=True, chains=3)
    restore_file(Path("a.grid"), Path("out/whole"), settings)
    assert cut_off(Path("a.grid"), settings, after, monkeypatch) == 30 - after
    same_answers(["samples.npy", "std.npy"])


@pytest.mark.parametrize("after", [6, 17])
def test_frames_that_are_done_are_not_done_again(after, tiny, monkeypatch):  # noqa: F811
    for k in range(4):
        grid(f"cine/{k}.grid", 6, 5, seed=k)
    monkeypatch.setattr(tiny_parts, "layers", Recipe(solve_frames))
    settings = Settings.of("layers", chains=2)
    tiny_parts.INTERRUPT["calls"] = 0
    restore_file(Path("cine"), Path("out/whole"), settings)
    steps = tiny_parts.INTERRUPT["calls"]
    assert cut_off(Path("cine"), settings, after, monkeypatch) == steps - after
    same_answers(["mean.npy", "std.npy"])
