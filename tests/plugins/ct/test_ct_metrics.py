"""Metrics of CT: in Hounsfield units, inside the field of view, through named windows."""

import math

import numpy as np
import pytest
import torch
from restore_ct import metrics
from restore_ct.recipes import show as views
from skimage.metrics import structural_similarity

from restore.files.task import Record
from restore.plugins.discovery import catalog

SHAPE = (1, 3, 40, 47)


def volume(seed=0, spread=300.0):
    generator = torch.Generator().manual_seed(seed)
    return spread * torch.randn(SHAPE, generator=generator)


def test_the_field_of_view_is_the_circle_that_fits_in():
    for shape in [(7, 7), (8, 8), (40, 47), (1, 5)]:
        seen = metrics.field_of_view(shape)
        assert seen.shape == shape
        assert torch.equal(seen, seen.flip(0)) and torch.equal(seen, seen.flip(1))
        assert seen[shape[0] // 2, shape[1] // 2]
    area = metrics.field_of_view((200, 300)).sum().item()
    assert area == pytest.approx(math.pi * 100**2, rel=1e-3)


def test_an_error_of_so_many_hounsfield_units_is_measured_as_such():
    reference = volume()
    assert metrics.rmse_hu(reference + 20, reference) == pytest.approx(20, rel=1e-5)
    span = reference[0][:, metrics.field_of_view(SHAPE)]
    span = (span.max() - span.min()).item()
    expected = 20 * math.log10(span / 20)
    assert metrics.psnr_range(reference + 20, reference) == pytest.approx(expected, abs=1e-4)


def test_what_lies_outside_the_circle_does_not_count():
    reference = volume()
    spoilt = torch.where(metrics.field_of_view(SHAPE), reference, 3000.0)
    assert metrics.rmse_hu(spoilt, reference) == 0
    assert metrics.psnr_range(spoilt, reference) == math.inf
    assert metrics.psnr_soft_tissue(reference, spoilt) == math.inf


def test_padding_does_not_count():
    reference = volume()
    valid = torch.ones(SHAPE, dtype=torch.bool)
    valid[..., :20, :] = False
    spoilt = torch.where(valid, reference, -3024.0)
    for metric in (metrics.psnr_lung, metrics.psnr_range):
        assert metric(reference, spoilt, valid=valid) == math.inf
    assert metrics.rmse_hu(reference, spoilt, valid=valid) == 0 < metrics.rmse_hu(reference, spoilt)
    assert metrics.ssim_bone(spoilt, reference, valid=valid) > metrics.ssim_bone(spoilt, reference)


@pytest.mark.parametrize(
    ("metric", "low", "high"),
    [("soft_tissue", -160, 240), ("lung", -1350, 150), ("bone", -500, 1300)],
)
def test_a_window_sees_only_its_range(metric, low, high):
    psnr = getattr(metrics, f"psnr_{metric}")
    below, above = torch.full(SHAPE, low - 50.0), torch.full(SHAPE, high + 50.0)
    assert psnr(below - 400, below) == psnr(above + 999, above) == math.inf
    assert psnr(above, below) == pytest.approx(0)
    inside = torch.full(SHAPE, (low + high) / 2)
    assert psnr(inside + (high - low) / 10, inside) == pytest.approx(20)


def test_ssim_is_that_of_scikit_image_averaged_over_the_field_of_view():
    reference, seen = volume(), metrics.field_of_view(SHAPE).numpy()
    estimate = reference + volume(1, 40.0)
    clipped = [part[0].double().clamp(-160, 240).numpy() for part in (estimate, reference)]
    maps = [
        structural_similarity(
            a, b, data_range=400, gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
            full=True,
        )[1][seen].mean()
        for a, b in zip(*clipped)
    ]  # fmt: skip
    assert metrics.ssim_soft_tissue(estimate, reference) == pytest.approx(np.mean(maps))
    assert metrics.ssim_soft_tissue(reference, reference) == pytest.approx(1)


def test_without_anything_to_compare_there_is_no_figure():
    small = torch.zeros(1, 1, 8, 8)
    assert metrics.ssim_lung(small, small) is None
    assert metrics.psnr_range(small, small) is None  # a constant has no range
    none = torch.zeros(1, 1, 8, 8, dtype=torch.bool)
    assert metrics.rmse_hu(small, small, valid=none) is None


def test_unequal_sizes_are_refused():
    with pytest.raises(ValueError, match="estimate is 1x3x40x46, the reference 1x3x40x47"):
        metrics.rmse_hu(volume()[..., 1:], volume())


def test_every_registered_metric_takes_two_volumes():
    entries = [entry for entry in catalog().registry("metrics") if entry.plugin == "ct"]
    assert {"rmse[HU]", "psnr[ct-range]", "psnr[ct-window -160..240]"} <= {e.name for e in entries}
    reference, near, far = volume(), volume() + volume(1, 5.0), volume() + volume(1, 50.0)
    for entry in entries:
        metric = entry.load()
        good, bad = metric(near, reference), metric(far, reference)
        assert good < bad if entry.facts["better"] == "lower" else good > bad


def test_the_report_sees_the_middle_slice_through_the_windows():
    signal = torch.zeros(SHAPE)
    signal[0, 1] = 40.0  # the middle of the soft tissue window
    seen = views.views(Record(signal, "volume", None, {"units": "HU"}))
    assert set(seen) == {"soft tissue -160..240", "lung -1350..150", "bone -500..1300"}
    for picture in seen.values():
        assert picture.shape == (1, *SHAPE[2:]) and 0 <= picture.min() <= picture.max() <= 1
    assert (seen["soft tissue -160..240"] == 0.5).all()
    std = views.views(Record(signal, "std", None, {"units": "HU"}))
    assert (std["std 0..100"] == 0.4).all()
    with pytest.raises(ValueError, match="the volume is in 1/mm"):
        views.views(Record(signal, "volume", None, {"units": "1/mm"}))


def test_padding_is_black_in_the_report():
    valid = torch.ones(SHAPE, dtype=torch.bool)
    valid[..., 0] = False
    meta = {"units": "HU", "valid": valid}
    for picture in views.views(Record(torch.full(SHAPE, 100.0), "volume", None, meta)).values():
        assert (picture[..., 0] == 0).all() and (picture[..., 1:] > 0).all()
