"""State is never a trap: a run repeated is a run continued, whatever happened to it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tiny_parts
from tiny import environment, grid, restore, tiny, tree  # noqa: F401

from restore.files.problem import Settings
from restore.files.runs.identity import identity
from restore.files.runs.outputs import folder_names
from restore.files.runs.run_folder import RunFolder

pytestmark = pytest.mark.usefixtures("tiny")
RUN = ("run", "calm", "a.grid", "b.grid", "-o", "out", "--noise", "0.1", "-q")
FILL = ("run", "fill", "a.grid", "-o", "out", "--noise", "0.1", "-q", "--mask")


def made() -> dict[str, int]:
    """When each result was made."""
    return {p.parent.name: p.stat().st_mtime_ns for p in Path("out").glob("*/report.json")}


def test_a_finished_run_repeated_says_the_same_and_does_nothing():
    first, before = restore(*RUN), made()
    again = restore(*RUN)
    assert first.exit_code == again.exit_code == 0
    assert again.stdout == first.stdout and len(before) == 2
    assert made() == before


def test_a_relative_path_an_absolute_one_and_another_folder_are_the_same_run(tiny, monkeypatch):  # noqa: F811
    grid("mask.grid", 6, 5)
    assert restore(*FILL, "mask.grid").exit_code == 0
    before = made()
    there = [str(tiny / word) for word in ("a.grid", "out", "mask.grid")]
    words = ("run", "fill", there[0], "-o", there[1], "--noise", "0.1", "-q", "--mask", there[2])
    assert restore(*words).exit_code == 0
    monkeypatch.chdir("/")
    assert restore(*words).exit_code == 0
    monkeypatch.chdir(tiny)
    Path("mask.grid").rename("moved.grid")
    assert restore(*FILL, "moved.grid").exit_code == 0
    assert made() == before


def test_every_file_that_an_option_names_is_told_by_its_bytes(tmp_path, monkeypatch):
    Path("noise.grid").write_text("1")
    Path("intervals.json").write_text("2")
    Path("p").mkdir()
    Path("p/prior.json").write_text("3")
    Path("mask.grid").write_text("4")

    def of(folder=Path(), reference=None):
        return identity(Settings.of(
            "fill", {"mask": folder / "mask.grid"}, noise=folder / "noise.grid",
            prior=str(folder / "p"), calibration=folder / "intervals.json", reference=reference,
        ))  # fmt: skip

    one, there = of(), Path.cwd()
    assert of(there).mark == one.mark
    assert set(one.files) == {"--mask", "--noise", "--prior", "--intervals"}
    for name in ("noise.grid", "intervals.json", "p/prior.json", "mask.grid"):
        before = Path(name).read_text()
        Path(name).write_text("other")
        assert of().mark != one.mark and one.stale() is not None
        assert len(of().changed_since(one)) == 1
        Path(name).write_text(before)
    assert of().mark == one.mark and one.stale() is None
    assert of(reference=Path("mask.grid")).changed_since(one) is None
    monkeypatch.chdir(tmp_path)
    assert of(there).mark == one.mark


def test_a_mask_that_was_replaced_is_another_one_and_all_is_done_anew():
    np.savetxt("mask.grid", np.ones((6, 5)))
    restore(*FILL, "mask.grid")
    before, first = made(), np.load("out/a/mean.npy")
    np.savetxt("mask.grid", np.tile([1.0, 0.0, 1.0, 0.0, 1.0], (6, 1)))
    result = restore(*FILL, "mask.grid")
    assert result.exit_code == 0
    assert "mask.grid changed since out was begun: everything is done anew" in result.stderr
    assert made() != before and not np.allclose(np.load("out/a/mean.npy"), first)
    np.savetxt("other.grid", np.ones((6, 5)))
    result = restore(*FILL, "other.grid")
    assert result.exit_code == 1 and "a run with other settings" in result.stderr


def test_a_mask_that_is_replaced_under_way_ends_the_run_with_one_line(monkeypatch):
    np.savetxt("mask.grid", np.ones((6, 5)))
    grid("c.grid", 6, 5)
    write = tiny_parts.write_grid

    def replacing(record, path):
        write(record, path)
        np.savetxt("mask.grid", np.zeros((6, 5)))

    monkeypatch.setattr(tiny_parts, "write_grid", replacing)
    result = restore(*FILL[:3], "c.grid", *FILL[3:], "mask.grid")
    assert result.exit_code == 1
    assert result.stderr.endswith("mask.grid changed under way; run the same command again\n")
    assert len(result.stderr.splitlines()) == 1


def test_a_finished_run_is_done_anew_where_that_is_asked_for():
    restore(*RUN)
    before = made()
    assert restore(*RUN, "--overwrite").exit_code == 0
    assert all(made()[name] != before[name] for name in "ab")
    assert restore(*RUN).exit_code == 0 and len(made()) == 2


def test_an_input_that_was_replaced_is_done_anew_and_the_others_stay():
    restore(*RUN)
    before = made()
    grid("a.grid", 3, 3, seed=9)
    result = restore(*RUN)
    assert "a.grid changed since it was done: done anew" in result.stderr
    assert np.load("out/a/mean.npy").shape == (1, 3, 3)
    assert made()["a"] != before["a"] and made()["b"] == before["b"]
    os.utime("b.grid")  # other times, the same contents
    restore(*RUN)
    assert made()["b"] == before["b"]


def test_an_input_that_changes_under_way_is_begun_anew(monkeypatch):
    read, times = tiny_parts.read_grid, []

    def changing(path):
        record = read(path)
        if path.name == "a.grid" and not times:
            times.append(1)
            grid("a.grid", 3, 3, seed=9)
        return record

    monkeypatch.setattr(tiny_parts, "read_grid", changing)
    result = restore(*RUN)
    assert result.exit_code == 0 and "begun anew" in result.stderr
    assert np.load("out/a/mean.npy").shape == (1, 3, 3)


DAMAGES = {"empty": b"", "cut": b'{"mark": "0e1', "not ours": b"[1, 2]"}


@pytest.mark.parametrize("bytes", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_marker_is_written_anew(bytes):
    restore(*RUN)
    before, record = made(), RunFolder(Path("out")).record
    record.write_bytes(bytes)
    result = restore(*RUN)
    assert result.exit_code == 0
    assert result.stderr == "restore: out/.restore/run.json is damaged: it is written anew\n"
    assert made() == before and json.loads(record.read_text())["recipe"] == "calm"
    record.write_bytes(bytes)
    result = restore(*RUN, "--seed", "1")
    assert result.exit_code == 1 and "results of other settings" in result.stderr


@pytest.mark.parametrize("bytes", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_report_is_made_anew(bytes):
    restore(*RUN)
    before = made()
    Path("out/a/report.json").write_bytes(bytes)
    result = restore(*RUN)
    assert result.exit_code == 0 and "out/a/report.json is damaged" in result.stderr
    assert json.loads(Path("out/a/report.json").read_text())["recipe"] == "calm"
    assert made()["b"] == before["b"]


@pytest.mark.parametrize("bytes", [b"", b"PK\x03\x04 and no more"], ids=["empty", "cut"])
def test_a_damaged_state_is_discarded_and_begun_anew(bytes, monkeypatch):
    words = (*RUN, "--sampler", "slow", "--samples")
    restore(*words[:-1], "-o", "whole", "--samples")
    monkeypatch.setattr(tiny_parts, "INTERRUPT", {"after": 4, "calls": 0})
    assert restore(*words).exit_code == 130
    (RunFolder(Path("out")).states / "a.checkpoint").write_bytes(bytes)
    result = restore(*words)
    assert result.exit_code == 0
    assert result.stderr.splitlines() == [
        "restore: the saved state of a.grid is damaged: discarded, and begun anew"
    ]
    whole, again = (np.load(f"{folder}/a/samples.npy") for folder in ("whole", "out"))
    assert np.array_equal(whole, again)


def test_a_state_of_an_input_that_was_replaced_is_discarded(monkeypatch):
    words = (*RUN, "--sampler", "slow")
    monkeypatch.setattr(tiny_parts, "INTERRUPT", {"after": 4, "calls": 0})
    assert restore(*words).exit_code == 130
    grid("a.grid", 6, 5, seed=9)
    result = restore(*words)
    assert result.exit_code == 0
    assert "a.grid is not what it was when it was interrupted: begun anew" in result.stderr
    assert tree(RunFolder(Path("out")).states) == []


def test_a_state_of_a_mask_that_was_replaced_is_discarded():
    holes = np.tile([1.0, 0.0, 1.0, 0.0, 1.0], (6, 1))
    words = [*FILL, "mask.grid", "--sampler", "slow", "--steps", "12", "--no-held-out"]
    np.savetxt("mask.grid", holes)
    restore(*words[:3], "-o", "whole", *words[5:])
    np.savetxt("mask.grid", np.ones((6, 5)))
    tiny_parts.INTERRUPT["after"] = tiny_parts.INTERRUPT["calls"] + 6
    assert restore(*words).exit_code == 130
    np.savetxt("mask.grid", holes)
    assert restore(*words).exit_code == 0
    whole, again = (np.load(f"{folder}/a/mean.npy") for folder in ("whole", "out"))
    assert np.array_equal(whole, again)


def test_a_damaged_training_checkpoint_is_discarded():
    Path("grids").mkdir()
    for seed in range(3):
        grid(f"grids/{seed}.grid", 16, 16, seed=seed)
    words = ("train", "denoiser", "grids", "-o", "p", "--steps", "2", "--batch", "1", "--patch",
             "8", "--widths", "4", "--blocks", "1")  # fmt: skip
    assert restore(*words).exit_code == 0
    Path("p/checkpoint.pt").write_bytes(b"")
    Path("p/training.json").write_bytes(b"{")
    Path("p/prior.json").unlink()
    result = restore(*words)
    assert result.exit_code == 0, result.stderr
    assert "p/checkpoint.pt is damaged: discarded, and begun anew" in result.stderr
    assert "p/training.json is damaged: it is written anew" in result.stderr


def test_what_a_scheduler_ends_is_saved_and_says_143():
    grid("big.grid", 40, 40)
    words = ("run", "calm", "big.grid", "-o", "out", "--noise", "0.1", "--sampler", "slow")
    process = subprocess.Popen(
        [sys.executable, "-m", "restore.cli", *words, "--steps", "100000"],
        stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment(),
    )  # fmt: skip
    assert "big.grid: calm" in process.stderr.readline()
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 143
    assert said.splitlines()[-1] == "restore: interrupted; run the same command again to go on"
    assert tree(RunFolder(Path("out")).states) == ["big.checkpoint"] and "Traceback" not in said


def test_an_output_folder_that_is_removed_ends_the_run_with_one_line(monkeypatch):
    import shutil

    write = tiny_parts.write_grid

    def removing(record, path):
        write(record, path)
        shutil.rmtree("out")

    monkeypatch.setattr(tiny_parts, "write_grid", removing)
    for words in (RUN, [word for word in RUN if word != "b.grid"]):
        result = restore(*words)
        assert result.exit_code == 1
        assert len(result.stderr.splitlines()) == 1 and ": out" in result.stderr


def test_a_folder_that_cannot_be_written_to_ends_the_run_with_one_line():
    restore(*RUN[:2], "a.grid", *RUN[4:])
    blocked = Path("out/.b.partial")  # a file where a folder would be: as if it were read-only
    blocked.write_text("")
    grid("c.grid", 3, 3)
    result = restore(*RUN[:4], "c.grid", *RUN[4:])
    assert result.exit_code == 1 and len(result.stderr.splitlines()) == 1
    assert "out/.b.partial" in result.stderr
    blocked.unlink()
    assert restore(*RUN[:4], "c.grid", *RUN[4:]).exit_code == 0


def test_naming_is_linear_and_a_name_once_given_is_kept(tmp_path):
    def seconds(count):
        sources = [tmp_path / f"{n % 7}/{n:06}.grid" for n in range(count)]
        started = time.process_time()
        assert len(set(folder_names(sources))) == count
        return time.process_time() - started

    few, many = (min(seconds(count) for _ in range(2)) for count in (500, 8000))
    assert many < 40 * few + 0.5  # 16 times as many; 256 times the seconds were quadratic
    one, other = grid("x/s.grid", 2, 2), grid("y/s.grid", 2, 2)
    assert folder_names([one, other]) == ["x-s", "y-s"]
    known = {str(one.absolute()): "s"}
    assert folder_names([one, other], known) == ["s", "y-s"]
    assert folder_names([other], known) == ["s.grid"]


def test_the_ledger_tells_what_every_result_came_from():
    import hashlib

    Path("bad.grid").write_text("what")
    restore(*RUN[:2], "bad.grid", *RUN[2:])
    ledger = RunFolder(Path("out")).ledger
    lines = [json.loads(line) for path in ledger.iterdir() for line in path.open()]
    assert [(line["event"], line.get("name")) for line in lines] == [
        ("begun", None), ("claimed", "bad"), ("failed", "bad"), ("claimed", "a"), ("done", "a"),
        ("claimed", "b"), ("done", "b"),
    ]  # fmt: skip
    done = lines[4]

    def sha(path):
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()

    assert done["result"] == {"restored.grid": sha("out/a/restored.grid")}
    assert done["from"]["input_sha256"] == sha("a.grid")
    assert done["from"]["mark"] == lines[0]["mark"] and "could not" in lines[2]["reason"]
    assert tree(Path("out/.restore/claims")) == []
    rows = Path("out/results.csv").read_text().splitlines()
    assert len(rows) == 4 and rows[1].startswith("a,") and ",failed," in rows[3]
