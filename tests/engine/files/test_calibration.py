"""Calibrations: made of clean files, used where they are for the run, and named."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import grid, restore, tiny  # noqa: F401
from tiny_parts import prior

from restore.errors import UsageError, WeightsError
from restore.files.answers.calibrating import in_range
from restore.files.merit.calibration import read_calibration
from restore.files.problem import Settings
from restore.files.restoring import restore_file

pytestmark = [
    pytest.mark.usefixtures("tiny"),
    pytest.mark.filterwarnings("ignore:.*misfit"),  # of a sampler that is to be far off
]
FILES = 20
NARROW = ("--sampler", "slow", "--set", "trust=30", "--steps", 10)  # nearer the prior than is right


@pytest.fixture
def table(tiny):  # noqa: F811
    """A calibration of the recipe calm, noise 0.1 to 0.2, strength 1 to 2."""
    clean(FILES)
    result = restore(
        "calibrate", "calm", "clean", "-o", "table.json", "--noise", "0.1..0.2",
        "--strength", "1..2", "--data", "drawn grids", "-q", *NARROW, raising=False,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    return Path("table.json")


def clean(count: int, folder: str = "clean", seed: int = 100) -> None:
    for i in range(count):
        path = grid(f"{folder}/{i:02}.grid", 12, 12, seed + i)
        values = 0.5 + 0.2 * np.random.default_rng(seed + i).standard_normal((12, 12))
        np.savetxt(path, values)


def run(source="a.grid", **flags):
    flags = {"noise": 0.15, "sampler": "slow", "sampler_options": {"trust": "30"}, **flags}
    flags = {"steps": 10, **flags}
    load = flags.pop("load_prior", None)
    more = {} if load is None else {"load_prior": load}
    out = Path(f"out/{len(list(Path('out').glob('*'))) if Path('out').exists() else 0}")
    options = flags.pop("options", {})
    facts = restore_file(Path(source), out, Settings.of("calm", options, **flags), **more)
    return facts, out


def test_a_calibration_says_what_it_was_made_for(table):
    found = read_calibration(table)
    assert (found.recipe, found.prior, found.sampler) == ("calm", "tiny", "slow")
    assert (found.steps, found.chains, found.files) == (10, 8, FILES)
    assert found.options == {"trust": 30.0}
    assert found.noise == pytest.approx([0.1, 0.2])
    assert found.operator == {"strength": pytest.approx([1, 2]), "mode": "plain"}
    assert found.covered[1] >= 0.9 > found.covered[0]
    assert "calibrated on 20 files (drawn grids): strength 1 to 2, mode plain" in found.words


def test_unseen_files_lie_inside_calibrated_intervals(table):
    """12 files of 144 values; 0.9 is promised on average, 8 samples as drawn hold less."""
    clean(12, "unseen", seed=1000)
    shares = {}
    for calibration in ("none", str(table)):
        result = restore(
            "simulate", "calm", "unseen", "-o", "noisy", "--noise", 0.15, "--strength", 1.5,
            "--overwrite",
        )  # fmt: skip
        assert result.exit_code == 0, result.output
        inside = []
        for i in range(12):
            facts, _ = run(
                f"noisy/{i:02}/degraded.grid", reference=Path(f"unseen/{i:02}.grid"),
                options={"strength": 1.5}, calibration=calibration, held_out=False,
            )  # fmt: skip
            inside.append(facts["coverage_of_90%_intervals"])
        shares[calibration] = sum(inside) / len(inside)
    assert shares["none"] < 0.88 <= shares[str(table)] < 0.99
    levels, curves = facts["reliability"]["levels"], facts["reliability"]
    assert curves["intervals"][levels.index(0.9)] == facts["coverage_of_90%_intervals"]
    assert all(a >= b for a, b in zip(curves["intervals"], curves["samples"]))


def test_samples_stay_as_they_are_and_the_std_is_wider(table):
    bare, without = run(samples=True, calibration="none", held_out=False)
    told, with_it = run(samples=True, calibration=str(table))
    before, after = (np.load(out / "samples.npy") for out in (without, with_it))
    assert np.array_equal(before, after)
    factor = np.load(with_it / "std.npy") / np.load(without / "std.npy")
    expected = read_calibration(table).width
    deviation = np.load(without / "std.npy")
    assert np.allclose(factor, expected(torch.from_numpy(deviation)).numpy(), rtol=1e-4)
    assert told["intervals"].startswith("calibrated on 20 files (drawn grids)")
    assert "samples keep their shapes" in told["intervals"]
    assert bare["intervals"] == "as the samples spread"
    assert "calibrated on 20 files" in (with_it / "report.html").read_text()


def test_a_calibration_beside_the_prior_is_used_inside_its_range_alone(table):
    Path("beside").mkdir()
    table.rename("beside/calibration-calm.json")

    def load(name, **conditions):
        return replace(prior(), folder=Path("beside"))

    inside, _ = run(load_prior=load)
    assert inside["intervals"].startswith("calibrated on 20 files")
    for outside, why in (
        ({"noise": 0.3}, "noise 0.3, not 0.1 to 0.2"),
        ({"options": {"strength": 4.0}}, "strength 4, not 1 to 2"),
        ({"chains": 4}, "chains 4, not 8"),
        ({"steps": 20}, "steps 20, not 10"),
        ({"sampler_options": {}}, "options none, not trust=30"),
    ):
        facts, _ = run(load_prior=load, **outside)
        assert "as thinned data ask" in facts["intervals"] and why in facts["intervals"]
    facts, _ = run(load_prior=load, calibration="none")
    assert "as thinned data ask" in facts["intervals"]


def test_a_calibration_that_is_asked_for_must_be_for_the_run(table):
    with pytest.raises(UsageError, match=r"table.json is not for this run: noise 0.3"):
        run(noise=0.3, calibration=str(table))
    result = restore(
        "run", "calm", "a.grid", "-o", "out", "--noise", 0.3, "--intervals", table, *NARROW
    )
    assert result.exit_code == 2 and len(result.stderr.strip().splitlines()) <= 2
    assert not Path("out").exists()


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2}, {"factors": [1.0]}, {"factors": []}, {"noise": [0.1]}, {"steps": 0},
        {"prior_sha256": "abc"}, {"unknown": 1}, {"level": "high"}, {"deviations": [0.2, 0.1]},
        {"operator": {"strength": [1, 2, 3]}}, {"factors": [-1.0, 1.0]},
    ],
    ids=str,
)  # fmt: skip
def test_a_damaged_calibration_is_named(table, change):
    whole = json.loads(table.read_text()) | {"deviations": [0.1, 0.2], "factors": [1.0, 2.0]}
    table.write_text(json.dumps(whole))
    read_calibration(table)
    table.write_text(json.dumps(whole | change))
    with pytest.raises(WeightsError, match=r"table\.json is no calibration"):
        read_calibration(table)


def test_what_cannot_be_calibrated_says_why():
    clean(5)
    few = restore("calibrate", "calm", "clean", "-o", "t.json", "-q")
    assert few.exit_code == 1 and "files or more, not on 5" in few.stderr
    clean(FILES)
    fill = restore("calibrate", "fill", "clean", "-o", "t.json", "-q")
    assert fill.exit_code == 2 and "asks for mask" in fill.stderr
    noise = restore("calibrate", "calm", "clean", "-o", "t.json", "--noise", "much", "-q")
    assert noise.exit_code == 2 and "a number or a range" in noise.stderr
    down = restore("calibrate", "calm", "clean", "-o", "t.json", "--strength", "0..1", "-q")
    assert down.exit_code == 2 and "above 0" in down.stderr
    assert not Path("t.json").exists()
    Path("t.json").write_text("mine")
    there = restore("calibrate", "calm", "clean", "-o", "t.json", "-q")
    assert there.exit_code == 1 and Path("t.json").read_text() == "mine"


def test_ranges_are_drawn_from_their_ends_logarithmically():
    assert [in_range("gaussian:1..4", share) for share in (0, 0.5, 1)] == [
        "gaussian:1", "gaussian:2", "gaussian:4",
    ]  # fmt: skip
    assert in_range("disc:3", 0.5) == "disc:3"
