"""us-lines, us-deconvolve and us-despeckle: what they pose, and from file to file."""

import json

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from restore_ultrasound.operators.companding import PowerBlur, companded, expanded, mu_of
from restore_ultrasound.operators.point_spread import beam, point_spread
from restore_ultrasound.recipes.deconvolve import deconvolve, spread_of
from restore_ultrasound.recipes.despeckle import despeckle
from restore_ultrasound.recipes.lines import lines

from restore.cli import main
from restore.files.task import Record
from restore.testing.plugin_contract import check_plugin

MU = mu_of(60)


def frame(frames=1):
    rows, columns = torch.meshgrid(torch.arange(40.0), torch.arange(48.0), indexing="ij")
    bright = 0.5 + 0.3 * torch.sin(rows / 5) * torch.cos(columns / 7)
    return Record(bright.expand(1, frames, 40, 48).clone(), "bmode", None, {"regions": None})


def run(recipe, source, out, *words):
    given = ["run", recipe, str(source), "-o", str(out), *map(str, words), "--quiet"]
    result = CliRunner().invoke(main, given)
    return result.exit_code, result.output


def test_lines_that_were_taken_stay_and_the_others_are_filled():
    task = lines.solve(frame(), None, taken=12)
    answer = torch.full(task.measurement.operator.in_shape, 0.25)
    made = task.present(answer).signal[0, 0]
    taken = task.measurement.y[0, 0].amax(0) > 0
    assert taken.sum() == 12
    assert torch.equal(made[:, taken], frame().signal[0, 0][:, taken])
    assert (made[:, ~taken] == 0.25).all()
    assert torch.equal(task.comparison.reference.signal, frame().signal)


def test_interpolation_between_lines_is_exact_where_brightness_is_linear():
    ramp = torch.linspace(0.2, 0.8, 48).expand(1, 1, 40, 48)
    record = Record(ramp.clone(), "bmode", None, {"regions": None})
    task = lines.solve(record, None, taken=16)
    taken = (task.measurement.y[0, 0].amax(0) > 0).nonzero().flatten()
    inner = slice(int(taken[0]), int(taken[-1]) + 1)
    made = task.comparison.baselines["interpolation"]()
    torch.testing.assert_close(made[0][:, inner], ramp[0, 0][:, inner])


def test_a_file_that_misses_lines_is_told_by_its_black_columns():
    record = frame()
    record.signal[..., 3::4] = 0
    task = lines.solve(record, None)
    assert task.facts["lines taken"] == 36
    with pytest.raises(ValueError, match="no line is missing"):
        lines.solve(frame(), None)


def test_active_lines_are_as_many_as_asked(tmp_path, untrained):
    picture = (frame().signal[0, 0] * 255).byte().numpy()
    Image.fromarray(picture).save(tmp_path / "a.png")
    words = ("--taken", 8, "--mask", "active", "--prior", untrained[0], "--chains", 2, "--steps", 3)
    status, said = run("us-lines", tmp_path / "a.png", tmp_path / "out", *words)
    assert status == 0, said
    facts = json.loads((tmp_path / "out" / "a" / "report.json").read_text())["facts"]
    assert facts["lines taken"] == 8 and len(set(facts["taken"])) == 8


def test_a_blur_of_powers_spreads_a_point_by_the_squared_profile():
    point = torch.zeros(1, 1, 21, 21, dtype=torch.float64)
    point[0, 0, 10, 10] = 1
    taps = beam(3.0)
    made = PowerBlur(point_spread((1, 21, 21), beam(1.0), taps), MU)(companded(point, MU))
    row = expanded(made, MU).square()[0, 0, 10]
    half = len(taps) // 2
    found = row[10 - half : 11 + half]
    torch.testing.assert_close(found / found.sum(), taps)


def test_a_beam_that_widens_is_as_wide_as_asked_at_both_ends():
    spread = spread_of((1, 40, 48), "2:6", 1.0)
    for row, width in ((3, 2.0), (36, 6.0)):
        x = torch.zeros(1, 1, 40, 48, dtype=torch.float64)
        x[0, 0, row, 24] = 1
        y = spread(x)[0, 0, row]
        place = torch.arange(48.0) - 24
        std = float((y * place**2).sum() / y.sum()) ** 0.5
        # the first and last rows lie a twelfth of the way to the middle; profiles are mixed there
        assert abs(2.355 * std - width) < 0.5
    with pytest.raises(ValueError, match="near:far"):
        deconvolve.solve(frame(), None, lateral="wide")


def test_despeckling_is_posed_with_the_law_of_speckle():
    task = despeckle.solve(frame(), None, looks=2.0)
    x = frame().signal[:, 0]
    torch.testing.assert_close(
        task.measurement.operator(x[None])[0], expanded(x, MU).square(), atol=1e-9, rtol=1e-5
    )
    assert repr(task.measurement.noise) == "Speckle(looks=2)"
    with pytest.raises(ValueError, match="not by --noise"):
        despeckle.solve(frame(), 0.1)


@pytest.mark.parametrize("recipe", ["us-deconvolve", "us-despeckle"])
def test_a_picture_goes_through(tmp_path, untrained, recipe):
    Image.fromarray((frame().signal[0, 0] * 255).byte().numpy()).save(tmp_path / "a.png")
    words = ("--prior", untrained[0], "--chains", 2, "--steps", 3)
    status, said = run(recipe, tmp_path / "a.png", tmp_path / "out", *words)
    assert status == 0, said
    made = np.asarray(Image.open(tmp_path / "out" / "a" / "restored.png"))
    assert made.shape == (40, 48) and made.dtype == np.uint8


def test_the_plugin_keeps_the_contract():
    check_plugin("restore_ultrasound.plugin")
