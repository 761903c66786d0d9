"""What a calibration is told of a photograph's operator, and those that are shipped."""

import numpy as np
import pytest
import torch
from PIL import Image
from restore_image.priors import WEIGHTS
from restore_image.recipes.given import blur_of, kernel, kind_of_kernel
from restore_image.recipes.masks import kind_of_mask
from restore_operators import box_mask, random_mask

from restore.files.answers.widths import described
from restore.files.merit.calibration import calibrations_in
from restore.files.problem import Settings, pose

MOTION, DISC = {"kernel": "motion:9,30"}, {"kernel": "disc:2"}
SHIPPED = [
    *(("colour", recipe, options) for recipe, options in (
        ("denoise", {}), ("deblur", {"kernel": "gaussian:1.6"}), ("deblur", MOTION),
        ("deblur", DISC), ("superresolve", {"factor": 2}), ("demosaic", {}),
    )),
    *(("grey", recipe, options) for recipe, options in (
        ("denoise", {}), ("deblur", MOTION), ("deblur", DISC),
    )),
]  # fmt: skip


@pytest.mark.parametrize("std", [1.0, 1.6, 3.0])
def test_the_blur_of_a_gaussian_is_its_deviation(std):
    assert blur_of(kernel(f"gaussian:{std}")) == pytest.approx(std, rel=0.01)  # cut at its ends


def test_the_blur_of_a_uniform_motion_is_shared_by_both_axes():
    taps = torch.zeros(9, 9, dtype=torch.float64)
    taps[4] = 1 / 9
    assert blur_of(taps) == pytest.approx(((9**2 - 1) / 12 / 2) ** 0.5)
    assert blur_of(torch.roll(taps, 2, 0)) == pytest.approx(blur_of(taps))


def test_kinds_of_kernels_and_masks():
    kinds = [kind_of_kernel(text) for text in ("gaussian:2", "motion:9,0", "disc:3", "own.npy")]
    assert kinds == ["gaussian", "motion", "disc", "from a file"]
    for missing in (0.3, 0.7, 0.85):
        assert kind_of_mask(random_mask((1, 48, 48), missing, 0)) == "scattered"
    assert kind_of_mask(box_mask((1, 48, 48), (10, 10, 20, 20))) == "holes"


@pytest.mark.parametrize(("kind", "recipe", "options"), SHIPPED)
def test_one_table_of_those_shipped_is_for_the_defaults(
    kind, recipe, options, tmp_path, monkeypatch
):
    """A prior of one noise level has one table for its defaults; else calibrate it anew."""
    monkeypatch.chdir(tmp_path)
    generator = np.random.default_rng(0)
    shape = (16, 16, 3) if kind == "colour" and recipe != "demosaic" else (16, 16)
    Image.fromarray(generator.integers(0, 255, shape, np.uint8)).save("a.png")
    settings = Settings.of(recipe, options, noise=0.03, prior=f"image-{kind}")
    problem = pose(tmp_path / "a.png", settings)
    run = described(problem, settings.sampling.on(problem.task.sampler))
    assert problem.beside == WEIGHTS / kind
    tables = calibrations_in(WEIGHTS / kind)
    fitting = [table for table in tables if not table.lacks(run)]
    assert len(fitting) == 1 and fitting[0].level == 0.9 and fitting[0].files >= 25
    for change in ({"noise": 0.2}, {"chains": 3}):
        assert all(table.lacks(type(run)(**{**vars(run), **change})) for table in tables)


def test_a_table_is_for_each_of_the_shipped_ones():
    count = sum(len(calibrations_in(WEIGHTS / kind)) for kind in ("colour", "grey"))
    assert count == len(SHIPPED)
