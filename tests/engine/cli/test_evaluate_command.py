"""restore evaluate: figures of files and folders, and what cannot be compared."""

import json

import numpy as np
import pytest
from fake_plugins import install
from tiny import grid, restore, tiny  # noqa: F401

from restore.plugins.discovery import catalog

pytestmark = pytest.mark.usefixtures("tiny")


def rows(*words):
    return [json.loads(line) for line in restore("evaluate", *words, "--json").stdout.splitlines()]


def folder(name, *, size=(6, 5), shift=0.0, files=("x", "y", "z")):
    for seed, stem in enumerate(files):
        path = grid(f"{name}/{stem}.grid", *size, seed=seed)
        np.savetxt(path, np.loadtxt(path) + shift * (seed + 1))


def test_a_file_is_measured_beside_its_reference():
    folder("pred", shift=0.5, files=("x",))
    folder("ref", files=("x",))
    first, total = rows("pred/x.grid", "ref/x.grid")
    assert first == {"input": "pred/x.grid", "figures": {"rmse": pytest.approx(0.5)}}
    assert total["summary"]["rmse"]["standard_error"] is None
    head, line = restore("evaluate", "pred/x.grid", "ref/x.grid").stdout.splitlines()
    assert (head.split(), line.split()) == (["rmse"], ["x.grid", "0.5"])


def test_folders_are_matched_by_name_with_mean_and_standard_error():
    folder("pred", shift=0.5)
    folder("ref")
    *each, total = rows("pred", "ref")
    assert [row["figures"]["rmse"] for row in each] == pytest.approx([0.5, 1.0, 1.5])
    assert total["summary"]["rmse"]["mean"] == pytest.approx(1.0)
    assert total["summary"]["rmse"]["standard_error"] == pytest.approx(0.5 / 3**0.5)
    lines = restore("evaluate", "pred", "ref").stdout.splitlines()
    assert lines[-1].split() == ["standard", "error", "0.2887"]


def test_the_output_folder_of_a_run_is_matched_by_its_folders_names():
    restore("run", "calm", "a.grid", "b.grid", "-o", "out", "--noise", "0.1", "-q")
    grid("ref/a.grid", 6, 5)
    grid("ref/b.grid", 4, 3, seed=1)
    result = restore("evaluate", "out", "ref")
    assert result.exit_code == 0
    assert [line.split()[0] for line in result.stdout.splitlines()[1:3]] == [
        "a/restored.grid", "b/restored.grid",
    ]  # fmt: skip


def test_a_pair_that_cannot_be_compared_is_one_line_and_the_others_go_on():
    folder("pred")
    folder("ref", files=("x", "y"))
    grid("ref/y.grid", 3, 3)
    result = restore("evaluate", "pred", "ref")
    assert result.exit_code == 3
    bad, lost, total = result.stderr.strip().splitlines()
    assert bad == "restore: pred/y.grid is 1x6x5, its reference ref/y.grid 1x3x3"
    assert lost == "restore: the folder ref holds no reference for pred/z.grid"
    assert total == "restore: 2 of 3 files could not be evaluated"
    assert result.stdout.splitlines()[1].startswith("x.grid")


def test_what_cannot_be_read_is_one_line():
    folder("ref", files=("x",))
    for words, status, said in (
        (("nowhere", "ref"), 2, "does not exist"),
        (("ref", "nowhere"), 2, "does not exist"),
        (("a.grid", "ref"), 1, "holds no reference for a.grid"),
        (("a.grid", "b.grid"), 1, "a.grid is 1x6x5, its reference b.grid 1x4x3"),
        (("a.grid", "a.grid", "--domain", "tny"), 2, "choose one, --domain NAME"),
    ):
        result = restore("evaluate", *words)
        assert (result.exit_code, result.stdout) == (status, "")
        assert said in result.stderr and len(result.stderr.splitlines()) == 1


ASKING = """
from restore.plugins.hookspecs import hook

@hook
def register_metrics(register):
    here = "fake_asking:"
    register("loudness", here + "loudness", summary="of the noise", better="lower", asks=("noise",))
    register("colour", here + "loudness", summary="of nothing", better="lower", asks=("colour",))
    register("far", here + "far", summary="needs a package", better="lower", package="no_such_one")

def loudness(estimate, reference, *, noise):
    return noise.abs().max().item()
"""


def test_a_metric_gets_what_it_asks_for_or_is_left_out(tiny, monkeypatch):  # noqa: F811
    install(tiny.parent / "site", "asking", ASKING)
    monkeypatch.setenv("RESTORE_PLUGINS", "tiny,asking")
    catalog.cache_clear()
    folder("ref", files=("x",))
    folder("noisy", shift=0.25, files=("x",))
    words = ("evaluate", "ref/x.grid", "ref", "--domain", "asking", "--json")
    assert json.loads(restore(*words).stdout.splitlines()[0])["figures"] == {}
    result = restore(*words, "--noisy", "noisy")
    figures = json.loads(result.stdout.splitlines()[0])["figures"]
    assert figures == {"loudness": pytest.approx(0.25)}
    assert result.stderr == "restore: without far: the package no_such_one is not installed\n"
