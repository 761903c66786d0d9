"""Metrics of MRI, held to their formulas."""

import math

import pytest
import torch
from restore_mri.metrics import (
    complex_nmse,
    magnitude_rmse,
    nmse_fastmri_volume,
    psnr_fastmri_volume,
    ssim_fastmri_slice,
)

from restore.plugins.discovery import catalog

GENERATOR = torch.Generator().manual_seed(0)
TRUTH = torch.rand(1, 3, 16, 12, generator=GENERATOR) + 0.1
TRUTH[:, 0] *= 5  # one bright slice: volume and slice conventions differ
NOISE = 0.05 * torch.randn(1, 3, 16, 12, generator=GENERATOR)
PHASE = torch.polar(torch.ones_like(TRUTH), 6 * torch.rand(TRUTH.shape, generator=GENERATOR))
ALL = [
    psnr_fastmri_volume,
    ssim_fastmri_slice,
    nmse_fastmri_volume,
    magnitude_rmse,
    complex_nmse,
]


def test_psnr_takes_the_greatest_value_of_the_volume():
    expected = 10 * math.log10(TRUTH.max() ** 2 / NOISE.square().mean())
    assert psnr_fastmri_volume(TRUTH + NOISE, TRUTH) == pytest.approx(expected, rel=1e-5)
    assert psnr_fastmri_volume(TRUTH, TRUTH) == math.inf


def test_nmse_is_of_the_volume_and_not_the_mean_over_slices():
    expected = (NOISE.square().sum() / TRUTH.square().sum()).item()
    assert nmse_fastmri_volume(TRUTH + NOISE, TRUTH) == pytest.approx(expected, rel=1e-5)
    by_slice = NOISE.square().sum((0, 2, 3)) / TRUTH.square().sum((0, 2, 3))
    assert abs(by_slice.mean().item() - expected) > 0.1 * expected


def ssim(x: torch.Tensor, y: torch.Tensor, peak: float) -> float:
    """Wang et al., equation 13, over all whole windows of 7x7, sample covariances."""
    a, b = (v.double().unfold(0, 7, 1).unfold(1, 7, 1).flatten(2) for v in (x, y))
    mean_a, mean_b = a.mean(-1), b.mean(-1)
    covariance = ((a - mean_a[..., None]) * (b - mean_b[..., None])).sum(-1) / 48
    one, two = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    top = (2 * mean_a * mean_b + one) * (2 * covariance + two)
    bottom = (mean_a**2 + mean_b**2 + one) * (a.var(-1) + b.var(-1) + two)
    return (top / bottom).mean().item()


def test_ssim_is_the_mean_over_slices_with_the_range_of_the_volume():
    noisy, peak = TRUTH + NOISE, TRUTH.max().item()
    expected = sum(ssim(x, y, peak) for x, y in zip(TRUTH[0], noisy[0])) / 3
    assert ssim_fastmri_slice(noisy, TRUTH) == pytest.approx(expected, abs=1e-6)
    assert ssim_fastmri_slice(TRUTH, TRUTH) == pytest.approx(1)
    assert ssim_fastmri_slice(noisy[..., :6], TRUTH[..., :6]) is None


def test_magnitude_rmse_is_in_units_of_the_signal():
    assert magnitude_rmse(TRUTH + 3, TRUTH) == pytest.approx(3, rel=1e-6)


def test_phase_counts_for_the_complex_metric_only():
    turned = TRUTH * PHASE, TRUTH * PHASE.conj()
    assert psnr_fastmri_volume(*turned) > 100  # equal to float32's rounding
    assert ssim_fastmri_slice(*turned) == pytest.approx(1)
    assert nmse_fastmri_volume(*turned) == pytest.approx(0, abs=1e-10)
    assert magnitude_rmse(*turned) == pytest.approx(0, abs=1e-5)
    error = (PHASE - 1) * TRUTH
    expected = (error.abs().square().sum() / TRUTH.square().sum()).item()
    assert complex_nmse(TRUTH * PHASE, TRUTH + 0j) == pytest.approx(expected, rel=1e-5)
    assert complex_nmse(TRUTH + NOISE, TRUTH) is None


@pytest.mark.parametrize("metric", ALL)
def test_two_real_channels_are_a_complex_volume(metric):
    noisy, truth = (TRUTH + NOISE) * PHASE, TRUTH * PHASE
    pairs = [torch.cat([x.real, x.imag]) for x in (noisy, truth)]
    assert metric(*pairs) == pytest.approx(metric(noisy, truth), rel=1e-5)


@pytest.mark.parametrize("metric", ALL)
def test_unlike_sizes_are_refused(metric):
    with pytest.raises(ValueError, match="the estimate is 1x3x16x12, the reference 1x3x16x11"):
        metric(TRUTH, TRUTH[..., :11])
    with pytest.raises(ValueError, match="these are 3x16x12"):
        metric(TRUTH[0], TRUTH[0])


@pytest.mark.parametrize("metric", ALL[:3])
def test_a_reference_of_zeros_defines_no_figure(metric):
    assert metric(TRUTH, torch.zeros_like(TRUTH)) is None


def test_metrics_are_known_by_their_convention():
    known = {e.name: e.facts["better"] for e in catalog().registry("metrics") if e.plugin == "mri"}
    assert known == {
        "psnr[fastmri-volume]": "higher",
        "ssim[fastmri-slice]": "higher",
        "nmse[fastmri-volume]": "lower",
        "magnitude-rmse": "lower",
        "complex-nmse": "lower",
    }
    assert catalog().load("metrics", "psnr[fastmri-volume]") is psnr_fastmri_volume
