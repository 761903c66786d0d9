"""The slices of a volume are the same samples, whoever draws them and in whatever order."""

import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import tiny_parts
from run_ledgers import done_once, started
from tiny import grid, restore, tiny, tree  # noqa: F401

from restore.files.problem import Settings
from restore.files.restoring import do_parts, restore_file
from restore.files.runs.claims import Claims
from restore.files.runs.run_folder import RunFolder
from restore.files.runs.sharing import Sharing

pytestmark = pytest.mark.usefixtures("tiny")
COUNT, STEPS = 5, 4
FLAGS = ("--noise", "0.1", "--sampler", "slow", "--chains", "2", "--no-held-out", "-q", "--samples")
SETTINGS = Settings.of("slices", noise=0.1, sampler="slow", steps=STEPS, chains=2, seed=3,
                       held_out=False, samples=True)  # fmt: skip


@pytest.fixture
def volume():
    for number in range(COUNT):
        grid(f"volume/{number}.grid", 6, 5, seed=number)
    return Path("volume")


def files(folder) -> dict[str, bytes]:
    """All results but the report, which tells of the time."""
    paths = [p for p in sorted(Path(folder).rglob("*")) if p.suffix in (".npy", ".grid")]
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in paths}


def sharing(worker: str) -> Sharing:
    Path("claims").mkdir(exist_ok=True)
    (Path("claims") / "it").touch()  # somebody owns the input
    return Sharing(Claims(Path("claims"), worker), "it", Path("it.checkpoint"))


def test_slices_that_others_did_are_not_sampled_again(volume):
    restore_file(volume, Path("alone"), SETTINGS)
    calls = tiny_parts.INTERRUPT["calls"]
    assert calls == COUNT * STEPS
    first, second = (do_parts(volume, SETTINGS, sharing(name)) for name in ("one", "two"))
    next(first), next(second), next(first)
    assert tiny_parts.INTERRUPT["calls"] == calls + 3 * STEPS
    shared = sharing("owner")
    facts = restore_file(volume, Path("out"), SETTINGS, checkpoint=Path("it.checkpoint"),
                         sharing=shared)  # fmt: skip
    assert tiny_parts.INTERRUPT["calls"] == 2 * calls
    assert files("out") == files("alone") and len(files("out")) == 4 * COUNT + 3
    assert facts["calls"] == calls and facts["facts"]["slices"] == COUNT and facts["seed"] == 3
    assert tree(Path("claims")) == ["it"] and not list(Path().glob("it.checkpoint*"))


def test_the_owner_does_what_is_free_while_another_has_what_is_due(volume):
    restore_file(volume, Path("alone"), SETTINGS)
    busy, owner = sharing("busy"), sharing("owner")
    assert busy.claims.take_free(".it.part-0")
    done = []

    class Watching(Sharing):
        def ahead(self, parts):
            for _ in super().ahead(parts):
                done.append(len(list(Path().glob("*.done"))))
                yield
            busy.claims.release(".it.part-0")  # the other gives up, with all else done

    owner = Watching(owner.claims, "it", Path("it.checkpoint"))
    checkpoint = Path("it.checkpoint")
    restore_file(volume, Path("out"), SETTINGS, checkpoint=checkpoint, sharing=owner)
    assert done == [1, 2, 3, 4] and files("out") == files("alone")


def test_each_slice_has_noise_of_its_own_that_its_contents_and_its_place_decide(volume):
    for path in volume.iterdir():  # slices that only their noise tells apart
        np.savetxt(path, np.full((6, 5), 0.5))
    restore_file(volume, Path("out"), SETTINGS)
    samples = np.load("out/samples.npy")
    assert samples.shape == (2, 1, COUNT, 6, 5)
    rows = samples.reshape(2 * COUNT, -1)
    assert np.abs(np.corrcoef(rows) - np.eye(2 * COUNT)).max() < 0.8  # of 30 values each
    volume.rename("elsewhere")
    restore_file(Path("elsewhere"), Path("again"), SETTINGS)
    assert np.array_equal(samples, np.load("again/samples.npy"))


@pytest.mark.parametrize("after", [3, 11, 19])
def test_an_interrupted_volume_goes_on_at_the_step_where_it_was(volume, after):
    restore_file(volume, Path("alone"), SETTINGS)
    words = ("run", "slices", volume, "-o", "out", *FLAGS, "--steps", STEPS, "--seed", 3)
    tiny_parts.INTERRUPT |= {"calls": 0, "after": after}
    assert restore(*words).exit_code == 130
    assert restore(*words).exit_code == 0
    assert tiny_parts.INTERRUPT["calls"] == COUNT * STEPS + 1  # the one that was cut off
    assert files("out/volume") == files("alone")


def broken() -> Path:
    for number in range(2):
        grid(f"broken/{number}.grid", 6, 5)
    np.savetxt("broken/1.grid", np.full((6, 5), 3e38))
    return Path("broken")


def test_processes_share_one_volume_and_one_that_is_killed_is_made_up_for(volume):
    words = ["run", "slices", "volume", *FLAGS, "--steps", "300"]
    process = started(*words, str(broken()), "-o", "out", "--jobs", "2")
    claims, killed = RunFolder(Path("out")).claims, None
    while process.poll() is None and killed is None:
        held = list(claims.glob(".volume.part-*"))
        if len(held) > 1:  # both are at work
            killed = held[1].read_text().partition('"pid": ')[2].partition(",")[0]
            os.kill(int(killed), signal.SIGKILL)
        time.sleep(0.02)
    _, said = process.communicate(timeout=400)
    assert process.returncode == 3 and killed, said
    assert "restore: broken: slice or piece 1, from 0: " in said
    assert restore(*words, "-o", "alone").exit_code == 0
    assert files("out") == files("alone")
    done_once({"volume"})


def test_a_slice_that_cannot_be_restored_is_named_and_nothing_is_written(volume):
    result = restore("run", "slices", broken(), volume, "-o", "out", *FLAGS, "--steps", STEPS)
    assert result.exit_code == 3
    said = result.stderr.splitlines()[0]
    assert said.startswith("restore: broken: slice or piece 1, from 0: ")
    assert sorted(p.name for p in Path("out").iterdir()) == [".restore", "index.html",
                                                             "results.csv", "volume"]  # fmt: skip


def test_slices_that_the_sampler_ties_are_restored_at_once(volume):
    words = ("run", "slices", volume, "--noise", "0.1", "--sampler", "dds", "-q", "--no-held-out")
    assert restore(*words, "-o", "apart").exit_code == 0
    assert restore(*words, "-o", "tied", "--set", "tv_axis=1").exit_code == 0
    apart, tied = (np.load(f"{out}/volume/mean.npy") for out in ("apart", "tied"))
    assert apart.shape == tied.shape == (1, COUNT, 6, 5)
    assert np.abs(np.diff(tied, axis=1)).mean() < 0.7 * np.abs(np.diff(apart, axis=1)).mean()
