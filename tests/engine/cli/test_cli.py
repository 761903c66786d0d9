"""The command line: what it says, where, with which exit status; and what it leaves behind."""

import errno
import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tiny_parts
from fake_plugins import install
from tiny import environment, grid, restore, tiny, tree  # noqa: F401

from restore.cli.progress import Pace, duration
from restore.files import restoring
from restore.files.report.facts import KEYS
from restore.plugins.discovery import catalog
from restore.samplers.base import Contract

pytestmark = pytest.mark.usefixtures("tiny")
RUN = ("run", "calm", "a.grid", "-o", "out", "--noise", "0.1")


def fails(status, *words):
    """The one line that the command line says when it fails."""
    result = restore(*words)
    assert result.exit_code == status, result.output
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("restore: ")
    assert result.stdout == ""
    return lines[0]


def test_a_run_says_what_it_does_on_stderr_and_the_result_on_stdout():
    result = restore(*RUN, "--no-held-out")
    assert result.exit_code == 0
    assert result.stdout.startswith("out/a/restored.grid: mean and std of 8 samples, misfit ")
    assert len(result.stdout.splitlines()) == 1
    opening, *steps = result.stderr.splitlines()
    assert opening == ("a.grid: calm, prior tiny, sampler ddnm, 8 chains, seed 0, noise 0.1")
    assert [line.split()[0] for line in steps] == [f"{n}/10" for n in range(1, 11)]
    assert "sigma" in steps[0] and "misfit" in steps[0] and "left" in steps[5]
    assert restore(*RUN, "--overwrite", "--quiet").stderr == ""


def test_json_is_one_object_a_line_with_the_keys_that_every_recipe_keeps():
    words = ("run", "calm", "a.grid", "b.grid", "-o", "out", "--noise", "0.1", "--json", "-q")
    rows = [json.loads(line) for line in restore(*words).stdout.splitlines()]
    assert [row["input"] for row in rows] == ["a.grid", "b.grid"]
    assert all(tuple(row) == KEYS for row in rows)
    row = rows[0]
    assert row["output"] == "out/a/restored.grid" and Path(row["output"]).exists()
    assert (row["recipe"], row["noise"], row["prior"], row["sampler"]) == (
        "calm", 0.1, "tiny", "ddnm",
    )  # fmt: skip
    assert (row["steps"], row["calls"], row["chains"], row["seed"]) == (10, 10, 8, 0)
    assert row["metrics"] == {"mean": {}, "sample": {}}
    words = ("run", "calm", "a.grid", "-o", "out2", "--noise", "0.1", "--json", "--reference", ".")
    row = json.loads(restore(*words).stdout)
    assert set(row["metrics"]["mean"]) == set(row["metrics"]["sample"]) == {"rmse"}


def test_the_printed_command_gives_the_same_numbers_again():
    import shlex

    restore(*RUN, "--seed", "3", "--sampler", "slow", "--set", "trust=1.5", "--strength", "0.9")
    command = json.loads(Path("out/a/report.json").read_text())["provenance"]["command"]
    first = np.load("out/a/mean.npy")
    program, *words = shlex.split(command)
    assert program == "restore"
    assert restore(*words, "--overwrite").exit_code == 0
    assert np.array_equal(np.load("out/a/mean.npy"), first)
    assert command in Path("out/a/report.html").read_text()


def test_options_reach_the_recipe_and_the_sampler():
    restore(*RUN, "--strength", "2", "--sampler", "slow", "--set", "rounds=2", "--steps", "4",
            "--chains", "3", "--samples")  # fmt: skip
    report = json.loads(Path("out/a/report.json").read_text())
    assert report["facts"] == {"kept": 2.0}
    assert report["provenance"]["options"] == {"rounds": 2}
    assert (report["steps"], np.load("out/a/samples.npy").shape) == (4, (3, 1, 6, 5))


def test_flags_of_a_recipe_tell_their_help_and_default():
    text = " ".join(restore("run", "calm", "--help").stdout.split())
    assert "--strength FLOAT" in text
    assert "what the grid was multiplied by" in text and "[default: 1.0]" in text
    assert 'only "plain" is known' in text and "strength: what" not in text
    text = restore("run", "fill", "--help").stdout
    assert "--mask PATH" in text and "[required]" in text and "--invert / --no-invert" in text


def test_what_no_reader_takes_in_a_folder_is_named_as_left_out():
    Path("many").mkdir()
    for name in ("a.grid", "b.grid"):
        Path("many", name).write_bytes(Path("a.grid").read_bytes())
    for name in ("a.heic", "a.json", "c.cr2", ".hidden.heic"):
        Path("many", name).write_text("x")
    result = restore("run", "calm", "many", "-o", "out", "--noise", "0.1")
    assert result.exit_code == 0
    assert "left out, no reader takes them: many/a.heic, many/c.cr2\n" in result.stderr


def test_a_picture_that_is_to_be_converted_first_is_told_so():
    Path("a.heic").write_text("x")
    result = restore("run", "calm", "a.heic", "-o", "out", "--noise", "0.1")
    assert result.exit_code == 1
    assert result.stderr == "restore: no reader takes a.heic: convert it to PNG or TIFF first\n"


def test_what_every_input_lacks_is_wrong_usage():
    result = restore("run", "calm", "a.grid", "b.grid", "-o", "out")
    assert result.exit_code == 2 and "2 of 2 inputs failed" in result.stderr


def test_noise_is_estimated_when_asked_said_and_recorded():
    result = restore("run", "calm", "a.grid", "-o", "out", "--noise", "auto")
    assert "noise 0.15 (estimated)" in result.stderr
    report = json.loads(Path("out/a/report.json").read_text())
    assert (report["noise"], report["noise_source"]) == (0.15, "estimated")


CLEAR = {
    "an unknown recipe": (2, ("run", "clam", "a.grid", "-o", "out"), "did you mean 'calm'?"),
    "an unknown command": (2, ("rum", "calm"), "no command is called 'rum'; did you mean 'run'?"),
    "an unknown sampler": (2, (*RUN, "--sampler", "dsp"), "did you mean 'dps'?"),
    "an unknown prior": (2, (*RUN, "--prior", "tini"), "did you mean 'tiny'?"),
    "an absent prior folder": (5, (*RUN, "--prior", "./tiny"), "no prior folder ./tiny"),
    "an unknown option": (2, (*RUN, "--strenght", "1"), "'--strength'"),
    "an unknown sampler option": (
        2, (*RUN, "--sampler", "slow", "--set", "turst=1"), "did you mean 'trust'?"
    ),
    "a sampler option of no sense": (
        2, (*RUN, "--sampler", "slow", "--set", "trust=lots"), "trust must be a number, got 'lots'"
    ),
    "a set without a value": (2, (*RUN, "--set", "trust"), "'trust' is not key=value"),
    "no output": (2, ("run", "calm", "a.grid"), "Missing option '-o'"),
    "no input": (2, ("run", "calm", "-o", "out"), "Missing argument 'INPUT...'"),
    "a required option": (2, ("run", "fill", "a.grid", "-o", "out"), "Missing option '--mask'"),
    "no noise": (2, ("run", "calm", "a.grid", "-o", "out"), "give the noise, such as --noise 0.05"),
    "noise that cannot be estimated": (
        2, ("run", "fill", "a.grid", "-o", "out", "--mask", "a.grid", "--noise", "auto"),
        "fill cannot estimate the noise; give it, --noise 0.05",
    ),
    "noise below zero": (2, (*RUN[:-1], "-1"), "'-1' is no standard deviation"),
    "no chains": (2, (*RUN, "--chains", "0"), "0 is not in the range"),
    "an unknown precision": (2, (*RUN, "--precision", "half"), "'half' is not one of"),
    "an unknown device": (2, (*RUN, "--device", "abacus"), "no device 'abacus' can be used here"),
    "missing weights": (5, (*RUN, "--prior", "lost"), "the weights lost.safetensors are missing"),
    "an absent input": (1, ("run", "calm", "x.grid", "-o", "out"), "x.grid does not exist"),
    "a pattern that fits nothing": (1, ("run", "calm", "x*", "-o", "out"), "no file fits x*"),
    "a file of no reader": (1, ("run", "calm", "a.xyz", "-o", "out"), "no reader takes a.xyz"),
    "a broken file": (1, ("run", "calm", "bad.grid", "-o", "out", "--noise", "1"), "could not"),
    "a file that is not finite": (
        1, ("run", "calm", "nan.grid", "-o", "out", "--noise", "1"), "not finite"
    ),
    "a mask of another size": (
        1, ("run", "fill", "a.grid", "-o", "out", "--noise", "1", "--mask", "b.grid"),
        "the mask b.grid is of another size than a.grid",
    ),
    "a value that the recipe refuses": (1, (*RUN, "--mode", "odd"), "mode must be plain"),
    "an output that is the input": (
        1, ("run", "calm", "a.grid", "-o", "a.grid", "--noise", "1"), "choose another"
    ),
    "an output that holds the input": (
        1, ("run", "calm", "a.grid", "-o", ".", "--noise", "1", "--overwrite"), "choose another"
    ),
    "an unknown kind": (2, ("list", "smaplers"), "did you mean 'samplers'?"),
    "an unknown thing": (2, ("info", "sampler", "dsp"), "did you mean 'dps'?"),
    "training on nothing": (
        1, ("train", "denoiser", "empty", "-o", "p"), "holds no file that a reader takes"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("status", "words", "said"), CLEAR.values(), ids=CLEAR)
def test_a_mistake_is_one_line_and_leaves_nothing(tiny, status, words, said):  # noqa: F811
    Path("a.xyz").write_text("1")
    Path("bad.grid").write_text("1 2\n3 what\n")
    Path("nan.grid").write_text("1 nan\n2 3\n")
    Path("empty").mkdir()
    before = tree(tiny)
    assert said in fails(status, *words)
    assert tree(tiny) == before and not Path("out").exists()


def test_an_output_folder_with_files_in_it_is_refused_unless_told():
    grid("out/mine.grid", 2, 2)
    assert "out holds files already; choose another folder, or add --overwrite" in fails(1, *RUN)
    assert restore(*RUN, "--overwrite").exit_code == 0
    assert Path("out/mine.grid").exists() and Path("out/a/restored.grid").exists()
    assert "of a run with other settings" in fails(1, *RUN, "--seed", "1")


def test_a_defect_of_ours_is_not_hidden_in_one_line(monkeypatch):
    monkeypatch.setattr(restoring, "answer", lambda *args: {}["slip"])
    with pytest.raises(KeyError, match="slip"):
        restore(*RUN)
    monkeypatch.setattr(restoring, "answer", lambda *args: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        restore(*RUN)


def test_the_traceback_of_a_mistake_is_shown_on_request(monkeypatch):
    monkeypatch.setenv("RESTORE_RAISE", "1")
    with pytest.raises(FileNotFoundError):
        restore("run", "calm", "x.grid", "-o", "out", "--noise", "1")


def test_a_bad_file_does_not_stop_the_others(tiny):  # noqa: F811
    Path("in").mkdir()
    for name in ("a.grid", "b.grid"):
        Path(name).rename(f"in/{name}")
    Path("in/aa.grid").write_text("what")
    Path("in/notes.txt").write_text("no reader takes this, and none is asked to")
    words = ("run", "calm", "in", "-o", "out", "--noise", "0.1", "-q")
    result = restore(*words)
    assert result.exit_code == 3
    assert [line.split(":")[0] for line in result.stdout.splitlines()] == [
        "out/a/restored.grid", "out/b/restored.grid",
    ]  # fmt: skip
    assert result.stderr.splitlines()[-1] == "restore: 1 of 3 inputs failed: in/aa.grid"
    assert "aa.grid" in result.stderr.splitlines()[0]
    sheet = Path("out/index.html").read_text()
    assert "a/report.html" in sheet and "b/report.html" in sheet and "aa.grid" in sheet
    made = os.stat("out/a/report.json").st_mtime_ns
    grid("in/aa.grid", 3, 3)  # mended: the same command does what is left
    result = restore(*words)
    assert result.exit_code == 0 and len(result.stdout.splitlines()) == 3
    assert os.stat("out/a/report.json").st_mtime_ns == made


def test_when_all_fail_it_is_a_failure():
    result = restore("run", "calm", "x.grid", "y.grid", "-o", "out", "--noise", "1", "--json")
    assert result.exit_code == 1
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row["error"] for row in rows] == ["x.grid does not exist", "y.grid does not exist"]
    assert all(set(row) == {*KEYS, "error"} for row in rows)


def test_the_prior_is_loaded_once_for_all(monkeypatch):
    loads = []
    original = tiny_parts.prior
    monkeypatch.setattr(tiny_parts, "prior", lambda: loads.append(1) or original())
    assert restore("run", "calm", "*.grid", "-o", "out", "--noise", "1").exit_code == 0
    assert len(loads) == 1


def test_inputs_of_one_name_do_not_overwrite_each_other(tiny):  # noqa: F811
    grid("x/a.grid", 3, 3)
    restore("run", "calm", "a.grid", "x/a.grid", "-o", "out", "--noise", "0.1")
    sizes = {p.parent.name: np.load(p).shape for p in Path("out").glob("*/mean.npy")}
    assert sizes == {"work-a": (1, 6, 5), "x-a": (1, 3, 3)}


def test_a_full_disk_ends_the_run_with_one_line_and_it_can_be_gone_on_with(tiny, monkeypatch):  # noqa: F811
    def full(record, path):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    words = ("run", "calm", "a.grid", "b.grid", "-o", "out", "--noise", "0.1", "-q")
    words += ("--no-held-out",)
    with monkeypatch.context() as patch:
        patch.setattr(tiny_parts, "write_grid", full)
        line = fails(1, *words)
    assert "No space left on device" in line and "the same command again" in line
    assert [p.name for p in Path("out").iterdir()] == [".restore"]
    assert tree(Path("out/.restore/states")) == ["a.checkpoint"]  # the samples are kept
    assert restore(*words).exit_code == 0
    assert tree(Path("out/.restore/states")) == []


def test_ctrl_c_keeps_what_is_done_and_the_same_command_goes_on(tiny, monkeypatch):  # noqa: F811
    words = ("--noise", "0.1", "--sampler", "slow", "-q", "--samples", "--no-held-out")
    restore("run", "calm", "a.grid", "b.grid", "-o", "whole", *words)
    words = ("run", "calm", "a.grid", "b.grid", "-o", "out", *words)
    monkeypatch.setattr(tiny_parts, "INTERRUPT", {"after": 14, "calls": 0})
    result = restore(*words)
    assert result.exit_code == 130
    assert result.stderr == "restore: interrupted; run the same command again to go on\n"
    assert not Path("out/b").exists() and Path("out/a/restored.grid").exists()
    assert tree(Path("out/.restore/states")) == ["b.checkpoint"]
    assert "with other settings" in fails(1, *words, "--seed", "1")
    assert restore(*words).exit_code == 0
    assert tiny_parts.INTERRUPT["calls"] == 15 + 6
    for name in ("a", "b"):
        samples = [np.load(f"{folder}/{name}/samples.npy") for folder in ("whole", "out")]
        assert np.array_equal(*samples)
    hidden = {name.split("/")[0] for name in tree(tiny / "out") if name.startswith(".")}
    assert hidden == {".restore"}


def test_what_begins_again_is_said(tiny, monkeypatch):  # noqa: F811
    monkeypatch.setattr(tiny_parts.slow, "contract", lambda options: Contract())
    monkeypatch.setattr(tiny_parts, "INTERRUPT", {"after": 4, "calls": 0})
    words = ("run", "calm", "a.grid", "-o", "out", "--noise", "0.1", "--sampler", "slow", "-q")
    words += ("--no-held-out",)
    assert restore(*words).stderr == (
        "restore: interrupted; run the same command again to go on; "
        "slow does not go on in mid-run: its chains begin again\n"
    )
    assert restore(*words).exit_code == 0
    assert tiny_parts.INTERRUPT["calls"] == 5 + 10


def test_a_signal_from_the_keyboard_ends_a_real_process_with_130():
    grid("big.grid", 40, 40)
    words = ("run", "calm", "big.grid", "-o", "out", "--noise", "0.1", "--sampler", "slow")
    process = subprocess.Popen(
        [sys.executable, "-m", "restore.cli", *words, "--steps", "100000"],
        stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment(),
        # a test run in the background hands down an ignored SIGINT
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    assert "big.grid: calm" in process.stderr.readline()
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said.splitlines()[-1] == "restore: interrupted; run the same command again to go on"
    assert "Traceback" not in said
    assert [p.name for p in Path("out").iterdir()] == [".restore"]
    assert tree(Path("out/.restore/states")) == ["big.checkpoint"]


def test_simulate_writes_what_run_restores():
    result = restore("simulate", "fill", "a.grid", "-o", "sim", "--share", "0.3", "--seed", "2")
    assert result.exit_code == 0
    assert result.stdout.startswith("sim/a/degraded.grid, sim/a/keep.grid: Weights(")
    words = ("run", "fill", "sim/a/degraded.grid", "-o", "out", "--mask", "sim/a/keep.grid")
    result = restore(*words, "--noise", "0.05", "--reference", ".", "-q")
    assert result.exit_code == 0 and "rmse 0." in result.stdout
    report = json.loads(Path("sim/a/report.json").read_text())
    assert report["provenance"]["command"].startswith("restore simulate fill a.grid -o sim")
    assert "other settings" in fails(1, "simulate", "fill", "a.grid", "-o", "sim", "--seed", "3")


@pytest.mark.parametrize("solved_only", [False, True])
def test_what_a_recipe_cannot_simulate_has_no_options(solved_only, monkeypatch):
    from dataclasses import replace

    if solved_only:
        monkeypatch.setattr(tiny_parts, "fill", replace(tiny_parts.fill, observe=None))
    facts = json.loads(restore("info", "recipe", "fill", "--json").stdout)
    assert "options of run" in facts and ("options of simulate" in facts) != solved_only
    assert restore("info", "recipe", "layers").exit_code == 0


def test_simulate_says_the_same_to_machines():
    result = restore("simulate", "fill", "a.grid", "x.grid", "-o", "sim", "--json")
    assert result.exit_code == 3
    done, failed = map(json.loads, result.stdout.splitlines())
    assert done["output"] == ["sim/a/degraded.grid", "sim/a/keep.grid"]
    assert failed == {"input": "x.grid", "error": "x.grid does not exist"}


def test_a_folder_that_is_called_as_a_registered_prior_is_not_taken_for_it():
    words = ("run", "calm", "a.grid", "--noise", "0.1", "-q")
    expected = restore(*words, "-o", "plain")
    Path("tiny").mkdir()
    Path("lost").write_text("no prior either")
    assert restore(*words, "-o", "out", "--prior", "tiny").exit_code == 0
    assert expected.exit_code == 0
    assert np.array_equal(np.load("out/a/mean.npy"), np.load("plain/a/mean.npy"))
    assert "tiny" in fails(5, *words, "-o", "out2", "--prior", "./tiny")
    assert "lost" in fails(5, *words, "-o", "out3", "--prior", "./lost")


def test_a_label_is_told_to_a_conditional_prior_and_refused_by_others(monkeypatch):
    refused = fails(1, *RUN, "-q", "--label", "7")
    assert "the prior tiny is not conditional: it takes no label" in refused
    make, seen = tiny_parts.prior, []

    def conditional(label: int = 0):
        seen.append(label)
        return make()

    monkeypatch.setattr(tiny_parts, "prior", conditional)
    assert restore(*RUN, "-q", "--label", "7").exit_code == 0
    assert seen == [7]


def test_auto_is_decided_once_where_the_run_will_be(monkeypatch):
    from restore.sampling import auto, by_name

    asked, loaded = [], []

    def choose(measurement, prior, device):
        asked.append((prior, device))
        return auto.Choice("slow", "the test says so")

    def prior():
        loaded.append(original())
        return loaded[-1]

    original = tiny_parts.prior
    monkeypatch.setattr(tiny_parts, "prior", prior)
    monkeypatch.setattr(by_name, "choose_sampler", choose)
    result = restore("run", "calm", "a.grid", "-o", "out", "--noise", "0.1", "--sampler", "auto",
                     "--set", "rounds=2")  # fmt: skip
    assert result.exit_code == 0, result.stderr
    assert "sampler slow" in result.stderr and "chose slow: the test says so" in result.stderr
    assert [device for _, device in asked] == ["cpu"] and len(loaded) == 1
    report = json.loads(Path("out/a/report.json").read_text())
    assert report["sampler"] == "slow" and report["facts"]["chosen"] == "slow: the test says so"
    assert report["provenance"]["options"] == {"rounds": 2}


def test_lists_are_for_people_and_for_machines():
    text = restore("list", "recipes").stdout
    assert text.splitlines()[0].split() == ["calm", "noise", "out", "of", "a", "grid", "tiny"]
    rows = json.loads(restore("list", "samplers", "--json").stdout)
    assert {"dps", "slow"} <= {row["name"] for row in rows}
    assert next(row for row in rows if row["name"] == "dps")["paper"].startswith("Chung")
    text = restore("info", "sampler", "slow").stdout
    assert "trust" in text and "default 1.0" in text and "weight of the prior" in text
    facts = json.loads(restore("info", "recipe", "fill", "--json").stdout)
    assert "required" in facts["options of run"]["mask"]
    assert "tiny" in restore("info", "priors", "tiny").stdout
    assert restore("info", "reader", "grid").exit_code == 0


def test_a_broken_plugin_is_told_and_takes_nothing_down(tmp_path, monkeypatch):
    install(tmp_path / "site", "bad", "import surely_not_there")
    monkeypatch.delenv("RESTORE_PLUGINS")
    monkeypatch.setenv("RESTORE_DISABLE_PLUGINS", "image,operators")
    catalog.cache_clear()
    result = restore("list", "recipes")
    assert result.exit_code == 0 and "calm" in result.stdout
    assert "the plugin 'bad' is broken: ModuleNotFoundError" in result.stderr
    rows = {row["name"]: row for row in json.loads(restore("plugins", "--json").stdout)}
    assert (rows["bad"]["state"], rows["tiny"]["state"]) == ("broken", "ok")
    assert rows["tiny"]["distribution"] == "restore-tiny"
    assert restore(*RUN).exit_code == 0
    assert "plugin 'bad' is broken" in fails(4, "run", "xyzzy", "a.grid", "-o", "out2")
    result = restore("doctor")
    assert result.exit_code == 1 and "!!  plugin bad" in result.stdout
    assert "!!  prior lost" in result.stdout and "ok  prior tiny" in result.stdout


def test_doctor_shows_how_threads_wait(monkeypatch):
    monkeypatch.setenv("OMP_WAIT_POLICY", "passive")
    assert "ok  environment: OMP_WAIT_POLICY=passive" in restore("doctor").stdout


def test_the_demo_is_the_image_plugin_s(monkeypatch):
    monkeypatch.setitem(sys.modules, "restore_image", None)
    monkeypatch.setitem(sys.modules, "restore_image.demo", None)
    assert "pip install restore-image" in fails(4, "demo", "-o", "out")
    grid("held/a.grid", 2, 2)
    assert "holds files already" in fails(1, "demo", "-o", "held")


LIGHT = [("--help",), ("list", "recipes"), ("list", "samplers"), ("plugins",), ("run", "--help"),
         ("--version",)]  # fmt: skip


QUICK = [("--help",), ("list", "recipes"), ("list", "samplers"), ("list", "priors")]


@pytest.mark.parametrize("words", LIGHT, ids=" ".join)
def test_help_and_lists_import_nothing_heavy(words):
    code = (
        "import sys\nfrom restore.cli import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit as end:\n    assert not end.code, end\n"
        "heavy = {'torch', 'numpy', 'scipy', 'rich', 'PIL', 'skimage'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code, *words], check=True, env=environment(),
                   stdout=subprocess.DEVNULL)  # fmt: skip


@pytest.mark.parametrize("words", QUICK, ids=" ".join)
def test_help_and_lists_take_less_than_150_ms_of_cpu(words):
    def seconds(*command):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, *command], check=True, env=environment(),
                       stdout=subprocess.DEVNULL)  # fmt: skip
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime

    # One of several: another process on the core lengthens a run, nothing shortens it. Where the
    # machine is busy, what cannot be spared (85 ms on an idle one) tells by how much.
    bare = ("-c", "import click, importlib.metadata as m; m.entry_points(group='restore')")
    assert any(
        seconds("-m", "restore.cli", *words) < max(0.15, 1.5 * seconds(*bare)) for _ in range(9)
    )


def test_time_left_counts_all_chunks_of_the_chains(monkeypatch):
    clock = iter(range(100))
    monkeypatch.setattr("restore.cli.progress.time.monotonic", lambda: float(next(clock)))
    pace = Pace(chains=8)
    seen = [pace.at(4, index, 5) for _ in range(2) for index in range(5)]
    assert [done for done, _, _ in seen] == list(range(1, 11))
    assert {whole for _, whole, _ in seen} == {10}
    assert [left for _, _, left in seen[1:]] == [float(10 - done) for done in range(2, 11)]
    assert Pace(chains=8).at(8, 1, 5, {"part": 3, "parts": 10})[:2] == (17, 50)  # of ten slices
    assert [duration(s) for s in (0.04, 41, 720, 12600)] == ["0.0 s", "41 s", "12 min", "3.5 h"]


def test_a_terminal_gets_a_line_that_moves(monkeypatch):
    import io

    from restore.cli import progress

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    screen = Terminal()
    monkeypatch.setattr(progress.sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    with progress.progress_for(4, quiet=False) as tell:
        for index in range(5):
            tell(4, index, 5, {"sigma": 1.0, "chi_square": 1.04})
    text = screen.getvalue()
    assert "5/5" in text and "misfit 1.04" in text and "\x1b[" in text


def test_a_disk_that_fills_up_while_a_state_is_saved_leaves_no_torn_state(tiny, monkeypatch):  # noqa: F811
    import torch

    def full(state, path):
        Path(path).write_text("torn")
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(torch, "save", full)
    assert "No space left on device" in fails(1, *RUN, "-q")
    assert not Path("out").exists()
