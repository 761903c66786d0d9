"""A folder as one input, a truth within the file, a baseline, views, simulation by the recipe."""

import json
from pathlib import Path

import numpy as np
import pytest
from tiny import grid, restore, tiny, tree  # noqa: F401

from restore.files.runs.outputs import sha256

pytestmark = pytest.mark.usefixtures("tiny")


@pytest.fixture
def stack():
    for number in range(3):
        grid(f"stack/{number}.grid", 6, 5, seed=number)
    return Path("stack")


def test_a_folder_is_one_input_where_the_recipe_reads_folders(tiny, stack):  # noqa: F811
    result = restore("run", "layers", stack, "-o", "out", "--baseline", "half", "--samples")
    assert result.exit_code == 0, result.stderr
    made = tree(tiny / "out/stack")
    for name, kind in (("restored", "stack"), ("baseline", "stack"), ("std", "std")):
        assert [path for path in made if path.startswith(name + "/")] == [
            f"{name}/{kind}{number}.grid" for number in range(3)
        ]
    assert "sample-8/stack0.grid" in made
    facts = json.loads(Path("out/stack/report.json").read_text())
    assert facts["metrics"]["mean"]["rmse"] == pytest.approx(1, abs=0.2)  # the truth is one below
    half = [np.loadtxt(f"stack/{n}.grid") for n in range(3)]
    expected = np.sqrt(np.mean([(v / 2 - v + 1) ** 2 for v in half]))
    assert facts["metrics"]["baseline"]["rmse"] == pytest.approx(expected, rel=1e-5)
    assert facts["coverage_of_90%_intervals"] < 0.01  # the truth lies ten deviations off
    std = [np.loadtxt(f"out/stack/std/std{n}.grid") for n in range(3)]
    assert np.allclose(std, np.load("out/stack/std.npy")[0], atol=1e-6)
    page = Path("out/stack/report.html").read_text()
    assert "restored (last)" in page and "baseline (last)" in page


def test_the_same_folder_is_many_inputs_of_another_recipe(tiny, stack):  # noqa: F811
    assert restore("run", "calm", stack, "-o", "out", "--noise", "0.1").exit_code == 0
    made = {path.split("/")[0] for path in tree(tiny / "out")} - {".restore"}
    assert made == {"0", "1", "2", "index.html", "results.csv"}


def test_an_unknown_baseline_is_a_usage_error(stack):
    result = restore("run", "layers", stack, "-o", "out", "--baseline", "halve")
    assert result.exit_code == 2 and "did you mean 'half'" in result.stderr
    assert not Path("out").exists()


def test_the_format_is_chosen_by_extension(tiny, stack):  # noqa: F811
    assert restore(
        "run", "calm", "a.grid", "-o", "out", "--noise", "0.1", "--format", "grid"
    ).exit_code == 0  # fmt: skip
    assert "a/restored.grid" in tree(tiny / "out")
    result = restore("run", "calm", "a.grid", "-o", "o2", "--noise", "0.1", "--format", ".tape")
    assert result.exit_code == 1 and "no writer makes restored.tape" in result.stderr


def test_a_recipe_simulates_by_its_own_noise_and_says_its_options(tiny):  # noqa: F811
    assert restore("simulate", "layers", "a.grid", "-o", "s", "--count", "3").exit_code == 0
    assert tree(tiny / "s/a") == ["0.grid", "1.grid", "2.grid", "report.json"]
    one, two = np.loadtxt("s/a/1.grid"), np.loadtxt("s/a/2.grid")
    assert np.allclose(two - one, 1)
    assert "how many" in restore("simulate", "layers", "--help").stdout


def test_a_folders_sum_follows_its_files(stack):
    before = sha256(stack)
    grid("stack/1.grid", 6, 5, seed=9)
    assert sha256(stack) != before


def test_a_material_makes_what_is_trained_on(tiny, stack):  # noqa: F811
    small = ("--steps", "3", "--batch", "2", "--patch", "8", "--widths", "4,8")
    result = restore(
        "train", "denoiser", stack, "-o", "p", "--material", "doubled", *small,
        "--validate-every", "2", "--sigma-max", "5",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    made = json.loads(Path("p/prior.json").read_text())
    assert made["network"]["channels"] == 2 and made["sigma_max"] == 5.0
    assert made["preconditioning"] == {"kind": "edm", "mean": 0.0, "sigma_data": 0.6}
    result = restore("train", "denoiser", stack, "-o", "q", "--material", "doubled", "--channels",
                     "grey", *small)  # fmt: skip
    assert result.exit_code == 2 and "makes its own" in result.stderr


def test_intervals_of_few_samples_cover_what_they_say():
    import torch

    from restore.files.merit.coverage import covered

    generator = torch.Generator().manual_seed(0)
    for count in (3, 8):  # of 40 000 values: 0.9 within 5 standard errors of 0.0015
        drawn = torch.randn(count + 1, 40_000, generator=generator)
        assert covered(list(drawn[1:]), drawn[0]) == pytest.approx(0.9, abs=0.0075)
