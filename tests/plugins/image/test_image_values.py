"""What values and masks of pictures mean: ranges, equal channels, alpha 0, masks of any kind."""

import numpy as np
import pytest
import torch
from PIL import Image
from restore_image.files import formats
from restore_image.recipes import masks
from skimage import data

import restore
from restore.errors import RestoreWarning
from restore.files.task import Record
from restore.plugins.discovery import catalog
from restore.plugins.options import options_of
from restore.priors.prior import NOISE_MAPS

GREY = torch.from_numpy(data.camera()[100:148, 200:260].astype(np.float32) / 255)[None]
RECIPES = {
    name: catalog().load("recipes", name)
    for name in ("denoise", "inpaint", "deblur", "superresolve", "demosaic", "colorize")
}
HOLE = np.zeros((48, 60), np.uint8)
HOLE[10:20, 5:30] = 1


def denoise(record: Record, noise: float = 0.05, **options):
    return RECIPES["denoise"].solve(record, noise, **options)


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_takes_a_range(name):
    assert "range" in options_of(RECIPES[name].solve)


def test_a_range_is_undone_in_what_is_written():
    record = Record(20 * GREY + 3, "image", meta={"dtype": "float32"})
    task = denoise(record, range="3,23")
    torch.testing.assert_close(task.measurement.y[0], GREY, atol=1e-6, rtol=0)  # float32
    back = task.present(task.measurement.y[0]).signal
    torch.testing.assert_close(back, record.signal, atol=1e-5, rtol=0)
    assert task.facts["range"] == "3 to 23"


def test_a_range_of_whole_numbers_is_told_as_the_file_has_them():
    record = Record(GREY * 4095 / 65535, "image", meta={"dtype": "uint16"})
    task = denoise(record, range="0,4095")
    torch.testing.assert_close(task.measurement.y[0], GREY, atol=1e-6, rtol=0)


def test_auto_is_as_far_as_the_values_reach():
    record = Record(7 * GREY, "image", meta={"dtype": "float32"})
    task = denoise(record, range="auto")
    assert task.measurement.y.max().item() == pytest.approx(1.0)


@pytest.mark.parametrize("text", ["4", "9,1", "a,b", "0,nan"])
def test_what_is_no_range_is_refused(text):
    with pytest.raises(ValueError, match="range"):
        denoise(Record(GREY, "image"), range=text)


@pytest.mark.parametrize("scale", [20.0, 4.0])
def test_values_outside_the_assumed_range_are_refused_by_name(tmp_path, scale):
    source = tmp_path / "bright.tif"
    with pytest.raises(ValueError, match=r"bright\.tif.*--range"):
        denoise(Record(scale * GREY, "image", source, {"dtype": "float32"}))


def test_noise_may_carry_values_out_of_the_range():
    noisy = GREY + 0.4 * torch.randn(GREY.shape, generator=torch.Generator().manual_seed(0))
    denoise(Record(noisy, "image", meta={"dtype": "float32"}), noise=0.4)


def test_noise_above_the_range_is_refused_with_the_likely_meaning():
    with pytest.raises(ValueError, match="did you mean 25/255"):
        denoise(Record(GREY, "image"), noise=25.0)


def test_a_cameras_bits_in_sixteen_are_pointed_out():
    record = Record(GREY * 4095 / 65535 / GREY.max(), "image", meta={"dtype": "uint16"})
    with pytest.warns(RestoreWarning, match="12 bits.*--range 0,4095"):
        denoise(record)


def test_equal_channels_are_one_and_come_back_as_three():
    record = Record(GREY.expand(3, -1, -1), "image")
    task = denoise(record)
    assert task.prior == "image-grey"
    assert task.measurement.operator.in_shape == GREY.shape
    assert torch.equal(task.present(GREY).signal, record.signal)


def test_colours_made_for_an_equal_channel_picture_stay():
    task = RECIPES["colorize"].solve(Record(GREY.expand(3, -1, -1), "image"), 0.05)
    colours = torch.rand(3, *GREY.shape[1:], generator=torch.Generator().manual_seed(0))
    assert torch.equal(task.present(colours).signal, colours)


@pytest.mark.parametrize("name", ["denoise", "deblur", "superresolve"])
def test_colours_under_alpha_0_are_not_measured(name):
    alpha = np.full((48, 60), 255, np.uint8)
    alpha[:, :20] = 0
    record = Record(GREY, "image", meta={"alpha": alpha, "dtype": "uint8"})
    options = {"deblur": {"kernel": "gaussian:1"}, "superresolve": {"factor": 2}}.get(name, {})
    task = RECIPES[name].solve(record, 0.05, **options)
    mask = task.measurement.measured_mask.expand_as(task.measurement.y)[0, 0]
    np.testing.assert_array_equal(mask.numpy() > 0, alpha > 0)
    prior = restore.Prior(
        denoise=restore.gaussian(0.5, 0.25).denoise, offers=frozenset({NOISE_MAPS})
    )
    samples = restore.sample(
        task.measurement, prior, task.sampler.name, steps=3, chains=1, seed=0
    ).samples
    assert torch.isfinite(samples).all()


def written(mask: np.ndarray, path):
    if path.suffix == ".npy":
        np.save(path, mask)
    else:
        Image.fromarray(mask).save(path)
    return masks.measured_mask(path, (48, 60))[0].numpy() == 0


@pytest.mark.parametrize("low, high", [(0, 1), (0, 255), (100, 200)])
@pytest.mark.parametrize("suffix", [".png", ".npy"])
def test_the_larger_of_two_values_is_missing(tmp_path, low, high, suffix):
    mask = np.where(HOLE, high, low).astype(np.uint8)
    np.testing.assert_array_equal(written(mask, tmp_path / f"m{suffix}"), HOLE > 0)


@pytest.mark.parametrize("dtype", [bool, np.int64, np.float32])
def test_masks_are_arrays_of_any_numbers(tmp_path, dtype):
    np.testing.assert_array_equal(written(HOLE.astype(dtype), tmp_path / "m.npy"), HOLE > 0)


def test_a_mask_with_soft_edges_counts_all_that_is_not_wholly_measured(tmp_path):
    soft = np.zeros((48, 60), np.uint8)
    soft[10:20, 5:30] = 255
    soft[9, 5:30] = 40
    np.testing.assert_array_equal(written(soft, tmp_path / "m.png"), soft > 0)


def test_a_mask_of_a_lossy_file_may_ring(tmp_path):
    lossy = written(255 * HOLE, tmp_path / "m.jpg")
    away = np.abs(np.arange(48)[:, None] - 14.5) > 14  # rows far from the edges of the hole
    assert not (lossy & away).any() and lossy[12:18, 8:27].all()


def test_a_coloured_mask_means_what_it_shows(tmp_path):
    red = np.zeros((48, 60, 3), np.uint8)
    red[..., 0] = 255 * HOLE
    np.testing.assert_array_equal(written(red, tmp_path / "m.png"), HOLE > 0)


def test_a_mask_in_the_alpha_channel_is_read_there_and_said(tmp_path):
    painted = np.zeros((48, 60, 4), np.uint8)
    painted[..., 3] = 255 * HOLE
    Image.fromarray(painted).save(tmp_path / "m.png")
    with pytest.warns(RestoreWarning, match="opacity"):
        left = masks.measured_mask(tmp_path / "m.png", (48, 60))
    np.testing.assert_array_equal(left[0].numpy() == 0, HOLE > 0)


def test_grey_written_as_colour_is_denoised_as_grey(tmp_path):
    grey = (GREY[0].numpy() * 255).astype(np.uint8)
    Image.fromarray(np.stack([grey] * 3, -1)).save(tmp_path / "c.jpg", quality=95)
    assert denoise(formats.read_jpeg(tmp_path / "c.jpg")).prior == "image-grey"


def test_the_noise_is_estimated_as_a_share_of_the_range():
    noisy = GREY + 0.1 * torch.randn(GREY.shape, generator=torch.Generator().manual_seed(0))
    record = Record(20 * noisy, "image", meta={"dtype": "float32"})
    estimate_noise = RECIPES["denoise"].estimate_noise
    alone = estimate_noise(Record(noisy, "image", meta={"dtype": "float32"}))
    assert estimate_noise(record, range="0,20") == pytest.approx(alone, rel=1e-4)  # float32
