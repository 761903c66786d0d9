"""From file to file: whole or not at all, and the numbers are those of the engine."""

import errno
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny_parts
import torch
from tiny import grid, tiny, tree  # noqa: F401
from tiny_parts import Weights, prior

from restore.files import restoring
from restore.files.by_extension import read
from restore.files.problem import Sampling, Settings
from restore.files.restoring import restore_file
from restore.files.runs.identity import identity
from restore.files.runs.inputs import input_files
from restore.files.runs.outputs import folder_names
from restore.files.simulating import simulate_file
from restore.files.task import SamplerChoice
from restore.measurement.measurement import Measurement
from restore.measurement.noise import Gaussian
from restore.sampling.by_name import sample

pytestmark = pytest.mark.usefixtures("tiny")
EVERYTHING = ["mean.npy", "report.html", "report.json", "restored.grid", "std.npy", "std.png"]


def test_a_file_is_restored_to_what_the_engine_samples(tiny):  # noqa: F811
    facts = restore_file(
        Path("a.grid"), Path("out/a"), Settings.of("calm", noise=0.1, samples=True)
    )
    assert tree(tiny / "out") == sorted(f"a/{name}" for name in [*EVERYTHING, "samples.npy"])
    y = read(Path("a.grid")).signal
    measurement = Measurement(y, Weights(y.shape, torch.ones_like(y)), Gaussian(0.1))
    posterior = sample(measurement, prior(), "ddnm", chains=8, steps=10, seed=0)
    assert np.array_equal(np.load("out/a/samples.npy"), posterior.samples.numpy())
    assert np.allclose(np.load("out/a/mean.npy"), posterior.mean.numpy(), atol=1e-6)
    assert np.allclose(np.load("out/a/std.npy"), posterior.std.numpy(), atol=1e-6)
    assert np.allclose(np.loadtxt("out/a/restored.grid"), posterior.mean[0].numpy(), atol=1e-6)
    misfits = measurement.chi_square(posterior.samples)
    assert facts["chi_square"] == pytest.approx(misfits.mean().item(), rel=1e-5)
    report = json.loads(Path("out/a/report.json").read_text())
    assert len(report["trace"]) == 10
    assert {key: report[key] for key in facts} == json.loads(json.dumps(facts))
    assert report["noise"] == 0.1 and report["facts"] == {"kept": 1.0}
    assert report["provenance"]["versions"]["torch"] == torch.__version__


def test_the_input_is_never_touched():
    before = Path("a.grid").read_bytes()
    for out in ("a.grid", ".", "out/../a.grid"):
        with pytest.raises(ValueError, match="choose another"):
            restore_file(Path("a.grid"), Path(out), Settings.of("calm", noise=0.1))
    assert Path("a.grid").read_bytes() == before


def test_a_recipe_may_choose_its_chains_and_the_steps_of_a_single_one():
    choice = SamplerChoice("ddim", 4, steps_alone=1, chains=1)
    for asked, chains, steps in (
        (Sampling(), 1, 1), (Sampling(chains=8), 8, 4), (Sampling(steps=7), 1, 7),
    ):  # fmt: skip
        assert (asked.on(choice).chains, asked.on(choice).steps) == (chains, steps)
    assert (Sampling().on(SamplerChoice("ddim", 30)).chains, Sampling().steps) == (8, None)


def test_one_chain_has_no_std_and_none_is_made_up(tiny):  # noqa: F811
    restore_file(Path("a.grid"), Path("out/a"), Settings.of("calm", noise=0.1, chains=1))
    assert tree(tiny / "out/a") == ["mean.npy", "report.html", "report.json", "restored.grid"]


def test_a_reference_is_compared_with_the_mean_and_with_one_sample():
    settings = Settings.of("calm", noise=0.1, samples=True, reference=Path("a.grid"))
    facts = restore_file(Path("a.grid"), Path("out/a"), settings)
    truth = np.loadtxt("a.grid")
    mean, first = np.load("out/a/mean.npy")[0], np.load("out/a/samples.npy")[0, 0]
    for of, estimate in (("mean", mean), ("sample", first)):
        expected = np.sqrt(np.mean((estimate - truth) ** 2))
        assert facts["metrics"][of] == {"rmse": pytest.approx(expected, rel=1e-4)}


def test_a_folder_of_references_is_matched_by_stem_or_by_the_folder_a_file_lies_in():
    grid("truth/a.grid", 6, 5)
    grid("sim/a/measured.grid", 6, 5)
    for source in ("a.grid", "sim/a/measured.grid"):
        settings = Settings.of("calm", noise=0.1, reference=Path("truth"))
        assert restoring.pose(Path(source), settings).reference.source == Path("truth/a.grid")
    with pytest.raises(FileNotFoundError, match=r"no reference for b\.grid"):
        restoring.pose(Path("b.grid"), settings)


def test_a_reference_of_another_size_is_refused_before_the_long_part(monkeypatch):
    monkeypatch.setattr(restoring.by_name, "sample", lambda *a, **k: pytest.fail("it sampled"))
    settings = Settings.of("calm", noise=0.1, reference=Path("b.grid"))
    with pytest.raises(ValueError, match=r"reference b.grid is 1x4x3, .* restored as 1x6x5"):
        restore_file(Path("a.grid"), Path("out/a"), settings)


@pytest.mark.parametrize(
    "failing",
    ["writer", "report.written.np.save", "report.written.write_report", "restoring.write_json"],
)
def test_a_full_disk_leaves_nothing_half_written(tiny, monkeypatch, failing):  # noqa: F811
    def full(*arguments, **keywords):
        raise OSError(errno.ENOSPC, "No space left on device")

    if failing == "writer":
        monkeypatch.setattr("tiny_parts.write_grid", full)
    else:
        monkeypatch.setattr(f"restore.files.{failing}", full)
    with pytest.raises(OSError, match="No space"):
        restore_file(Path("a.grid"), Path("out/a"), Settings.of("calm", noise=0.1))
    assert tree(tiny / "out") == []
    monkeypatch.undo()


def test_what_was_there_stays_when_the_replacement_fails(tiny, monkeypatch):  # noqa: F811
    restore_file(Path("a.grid"), Path("out/a"), Settings.of("calm", noise=0.1))
    before = {name: (tiny / "out" / name).read_bytes() for name in tree(tiny / "out")}
    monkeypatch.setattr("restore.files.report.written.write_report", lambda *a, **k: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        restore_file(Path("a.grid"), Path("out/a"), Settings.of("calm", noise=0.2))
    assert {name: (tiny / "out" / name).read_bytes() for name in tree(tiny / "out")} == before


def test_an_interrupted_run_gone_on_with_equals_one_that_was_not(tiny, monkeypatch):  # noqa: F811
    settings = Settings.of("calm", noise=0.1, sampler="slow", samples=True, held_out=False)
    restore_file(Path("a.grid"), Path("out/whole"), settings)
    monkeypatch.setattr(tiny_parts, "INTERRUPT", {"after": 6, "calls": 0})
    with pytest.raises(KeyboardInterrupt):
        restore_file(Path("a.grid"), Path("out/a"), settings, checkpoint=Path("out/kept"))
    assert Path("out/kept").exists() and not Path("out/a").exists()
    calls = tiny_parts.INTERRUPT["calls"]
    restore_file(Path("a.grid"), Path("out/a"), settings, checkpoint=Path("out/kept"))
    assert tiny_parts.INTERRUPT["calls"] - calls == 10 - 6
    assert not Path("out/kept").exists()
    whole, resumed = (np.load(f"out/{name}/samples.npy") for name in ("whole", "a"))
    assert np.array_equal(whole, resumed)


def test_simulating_then_restoring_is_nearer_to_the_truth_than_the_measurement():
    simulate_file(Path("a.grid"), Path("sim/a"), Settings.of("fill", {"share": 0.3}, noise=0.05))
    assert tree(Path("sim/a")) == ["degraded.grid", "keep.grid", "report.json"]
    truth, y, keep = (
        np.loadtxt(name) for name in ("a.grid", "sim/a/degraded.grid", "sim/a/keep.grid")
    )
    assert set(np.unique(keep)) == {0, 1}
    assert 0.02 < np.std((y - truth)[keep == 1]) < 0.1
    options = {"mask": Path("sim/a/keep.grid")}
    restore_file(Path("sim/a/degraded.grid"), Path("out"), Settings.of("fill", options, noise=0.05))
    restored = np.loadtxt("out/restored.grid")
    assert np.mean((restored - truth) ** 2) < 0.5 * np.mean((y - truth) ** 2)


def test_simulation_is_the_same_for_a_seed_and_another_for_another():
    drawn = []
    for number, seed in enumerate((0, 0, 1)):
        simulate_file(Path("a.grid"), Path(f"s{number}"), Settings.of("calm", noise=0.1, seed=seed))
        drawn.append(np.loadtxt(f"s{number}/degraded.grid"))
    assert np.array_equal(drawn[0], drawn[1]) and not np.allclose(drawn[0], drawn[2])


def test_a_file_that_no_reader_takes_is_said_so():
    Path("a.xyz").write_text("1")
    with pytest.raises(ValueError, match=r"no reader takes a.xyz; readers know .grid"):
        read(Path("a.xyz"))


def test_values_that_are_not_finite_are_refused():
    Path("n.grid").write_text("1 nan\n2 3\n")
    with pytest.raises(ValueError, match=r"n\.grid holds values that are not finite"):
        read(Path("n.grid"))


def test_folders_patterns_and_files_are_gathered_once_each():
    grid("more/c.grid", 2, 2)
    Path("more/notes.txt").write_text("not a grid")
    Path("more/.hidden.grid").write_text("1")

    def taken(p):
        return p.suffix == ".grid"

    found = input_files(["more", "*.grid", "a.grid", "absent.grid"], taken)
    assert [str(p) for p in found] == ["more/c.grid", "a.grid", "b.grid", "absent.grid"]
    with pytest.raises(FileNotFoundError, match=r"no file fits x\*.grid"):
        input_files(["x*.grid"], taken)
    Path("empty").mkdir()
    with pytest.raises(ValueError, match="holds no file that a reader takes"):
        input_files(["empty"], taken)


def test_no_two_inputs_share_an_output():
    many = ["a.grid", "a.npy", "x/b.grid", "y/b.grid", "x/B.npy", "q/x/b.grid", "c.grid"]
    chosen = folder_names([Path(name) for name in many])
    assert len({name.casefold() for name in chosen}) == len(many)
    assert chosen[:2] == ["a.grid", "a.npy"] and chosen[3] == "y-b" and chosen[-1] == "c"


def test_the_mark_is_of_all_that_decides_the_numbers():
    one = Settings.of("calm", noise=0.1)
    said = Settings.of("calm", noise=0.1, device="cpu", command="said otherwise")
    assert identity(one).mark == identity(said).mark
    others = [
        Settings.of("fill", noise=0.1), Settings.of("calm", noise=0.2),
        Settings.of("calm", {"mode": "plain"}, noise=0.1),
        Settings.of("calm", noise=0.1, seed=1), Settings.of("calm", noise=0.1, sampler="slow"),
        Settings.of("calm", noise=0.1, sampler_options={"trust": "2"}),
    ]  # fmt: skip
    assert len({identity(settings).mark for settings in (one, *others)}) == 1 + len(others)


def test_noise_that_differs_between_values_is_traced_and_told_by_its_rms(monkeypatch):
    solve = tiny_parts.calm.solve

    def rows_apart(record, noise, **options):
        task = solve(record, noise, **options)
        std = torch.linspace(0.1, 0.2, 6).reshape(1, 1, 6, 1).expand(1, *record.signal.shape)
        measurement = Measurement(record.signal, task.measurement.operator, Gaussian(std))
        return replace(task, measurement=measurement)

    monkeypatch.setattr(tiny_parts, "calm", replace(tiny_parts.calm, solve=rows_apart))
    facts = restore_file(Path("a.grid"), Path("out"), Settings.of("calm", noise=0.1, samples=True))
    levels = np.linspace(0.1, 0.2, 6)
    assert facts["noise"] == pytest.approx(np.sqrt(np.mean(levels**2)), rel=1e-6)
    residual = np.loadtxt("a.grid") - np.load("out/samples.npy")[:, 0]
    expected = np.mean((residual / levels[:, None]) ** 2)
    assert facts["chi_square"] == pytest.approx(expected, rel=1e-5)
    trace = json.loads(Path("out/report.json").read_text())["trace"]
    # the last estimate differs from the sample by the last level's noise, 0.002 of 0.1
    assert trace[-1]["chi_square"] == pytest.approx(expected, rel=0.02)
