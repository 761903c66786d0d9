"""Photographs on the command line: what goes wrong is one line, with the right exit status."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from restore.cli import main
from restore.networks.folder import save_prior
from restore.networks.unets.unet import UNet
from restore.testing import check_plugin

QUICK = ("--prior", "./prior", "--steps", "3", "--chains", "2", "--device", "cpu", "-q",
         "--precision", "float32")  # fmt: skip


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A working folder with a photograph, a mask, and a prior that knows no photographs."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for name, size in (("a.png", 24), ("wide.png", 40)):
        rows, columns = np.mgrid[:size, :size] / size
        clean = 0.5 + 0.3 * np.sin(5 * rows) * columns
        picture(clean + 0.05 * rng.standard_normal((size, size)), name)
    picture((rng.random((24, 24)) < 0.5).astype(float), "mask.png")
    torch.manual_seed(0)
    save_prior(
        "prior", UNet(1, widths=(4, 8), blocks=1), mean=0.5, sigma_data=0.25, sigma_min=0.01,
        sigma_max=2.0, errors={0.01: 1e-4, 2.0: 0.06}, card={"name": "untrained"},
    )  # fmt: skip
    return tmp_path


def picture(values, name):
    Image.fromarray((values.clip(0, 1) * 255).round().astype(np.uint8)).save(name)


def restore(*words):
    result = CliRunner().invoke(main, words)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def fails(status, *words, free="out"):
    result = restore(*words)
    assert result.exit_code == status, result.output
    assert result.stdout == ""
    (line,) = result.stderr.strip().splitlines()
    assert not Path(free).exists()
    return line


def test_a_photograph_is_degraded_and_restored():
    words = ("simulate", "inpaint", "a.png", "-o", "sim", "--missing", "0.4", "--noise", "0.02")
    assert restore(*words).exit_code == 0
    words = ("--mask", "sim/a/mask.png", "--noise", "0.02", "--reference", "a.png", "--json")
    result = restore("run", "inpaint", "sim/a/measurement.tif", "-o", "out", *words, *QUICK)
    row = json.loads(result.stdout)
    assert row["operator"].startswith("Mask(1x24x24") and row["noise"] == 0.02
    assert set(row["metrics"]["mean"]) == set(row["metrics"]["sample"]) == {"psnr", "ssim"}
    made = {path.name for path in Path(row["output"]).parent.iterdir()}
    assert made == {
        "restored.tif", "mean.npy", "std.npy", "std.png", "report.json", "report.html",
    }  # fmt: skip


def test_noise_is_estimated_from_the_photograph():
    result = restore("run", "denoise", "wide.png", "-o", "out", "--noise", "auto", "--json", *QUICK)
    assert 0.03 < json.loads(result.stdout)["noise"] < 0.08
    report = json.loads(Path("out/wide/report.json").read_text())
    assert report["noise_source"] == "estimated"
    assert "too few" in fails(
        1, "run", "denoise", "a.png", "-o", "out2", "--noise", "auto", *QUICK, free="out2"
    )


def test_noise_that_is_not_given_is_asked_for():
    assert "--noise 0.05" in fails(2, "run", "denoise", "a.png", "-o", "out", *QUICK)


def test_the_mean_alone_is_one_call_and_has_no_deviation():
    words = ("run", "inpaint", "a.png", "-o", "out", "--mask", "mask.png", "--noise", "0.05")
    result = restore(*words, "--mean-only", "--device", "cpu")
    assert "the mean, by one network call" in result.output
    facts = json.loads(Path("out/a/report.json").read_text())
    assert (facts["chains"], facts["calls"], facts["sampler"]) == (1, 1, "exact-score")
    made = {path.name for path in Path("out/a").iterdir()}
    assert made == {"restored.png", "mean.npy", "report.json", "report.html"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--kernel", "motion:5,30"), "diffpir"),
        (("--kernel", "gaussian:1", "--sampler", "pigdm"), "pigdm"),
        (("--kernel", "gaussian:1", "--chains", "2"), "no --chains"),
    ],
)
def test_the_mean_alone_is_refused_where_one_call_does_not_give_it(words, said):
    given = ("run", "deblur", "a.png", "-o", "out", "--noise", "0.05", "--mean-only", "-q")
    assert said in fails(2, *given, *words)


def test_a_truncated_photograph_is_one_line():
    whole = Path("a.png").read_bytes()
    Path("cut.png").write_bytes(whole[: len(whole) // 2])
    words = ("-o", "out", "--noise", "0.05")
    assert "cut.png" in fails(1, "run", "denoise", "cut.png", *words, *QUICK)
    Path("text.png").write_text("not a picture")
    assert "text.png" in fails(1, "run", "denoise", "text.png", *words, *QUICK)


def test_values_that_are_not_finite_are_one_line():
    values = np.full((24, 24), 0.5, np.float32)
    values[3, 4] = np.nan
    np.save("nan.npy", values)
    line = fails(1, "run", "denoise", "nan.npy", "-o", "out", "--noise", "0.05", *QUICK)
    assert "nan.npy" in line and "finite" in line


def test_a_mask_of_another_size_is_one_line():
    picture(np.ones((5, 7)), "small.png")
    words = ("run", "inpaint", "a.png", "-o", "out", "--noise", "0.05", "--mask", "small.png")
    line = fails(1, *words, *QUICK)
    assert "5x7" in line and "24x24" in line


def test_a_kernel_of_no_sense_is_one_line():
    words = ("run", "deblur", "a.png", "-o", "out", "--noise", "0.05", "--kernel", "gausian:2")
    assert "gaussian:STD" in fails(1, *words, *QUICK)


def test_a_prior_for_other_pictures_is_one_line():
    colours = np.asarray(Image.open("a.png").convert("RGB")) * np.uint8([1, 0, 1])
    Image.fromarray(colours).save("c.png")
    line = fails(1, "run", "denoise", "c.png", "-o", "out", "--noise", "0.05", *QUICK)
    assert "1x" in line and "3x24x24" in line


def test_a_folder_goes_on_after_a_bad_photograph():
    Path("in").mkdir()
    for name in ("a", "c"):
        Image.open("a.png").save(f"in/{name}.png")
    Path("in/b.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    Image.open("a.png").save("in/a.tif")
    result = restore("run", "denoise", "in", "-o", "out", "--noise", "0.05", *QUICK)
    assert result.exit_code == 3
    assert result.stderr.splitlines()[-1] == "restore: 1 of 4 inputs failed: in/b.png"
    restored = {path.parent.name for path in Path("out").glob("*/restored.*")}
    assert restored == {"a.png", "a.tif", "c"}


def test_the_plugin_keeps_the_contract():
    check_plugin("restore_image.plugin")
    check_plugin("restore_operators.plugin")
