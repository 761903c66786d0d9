"""Figures of merit equal scikit-image's, and the noise that was put in is the noise found."""

import math

import pytest
import torch
from restore_image.metrics import psnr, ssim
from restore_image.noise import noise_std
from skimage import data
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

CAMERA = torch.from_numpy(data.camera() / 255)[None]
COLOUR = torch.from_numpy(data.astronaut()[:90, :101].transpose(2, 0, 1) / 255).float()


def noisy(clean, std, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return clean + std * torch.randn(clean.shape, generator=generator, dtype=clean.dtype)


@pytest.mark.parametrize("clean", [COLOUR, CAMERA[:, :11, :30].float()])
def test_psnr_and_ssim_are_scikit_images(clean):
    estimate = noisy(clean, 0.1)
    x, y = estimate.double().numpy(), clean.double().numpy()
    assert psnr(estimate, clean) == pytest.approx(peak_signal_noise_ratio(y, x, data_range=1))
    expected = structural_similarity(
        x,
        y,
        data_range=1,
        channel_axis=0,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    assert ssim(estimate, clean) == pytest.approx(expected, rel=1e-12)


def test_psnr_of_a_known_error():
    assert psnr(torch.full((1, 4, 4), 0.6), torch.full((1, 4, 4), 0.5)) == pytest.approx(20)


def test_equal_pictures():
    assert psnr(COLOUR, COLOUR) == math.inf
    assert ssim(COLOUR, COLOUR) == pytest.approx(1)


@pytest.mark.parametrize("size", [(1, 1), (10, 50), (50, 10)])
def test_ssim_is_not_defined_where_its_window_does_not_fit(size):
    assert ssim(torch.rand(1, *size), torch.rand(1, *size)) is None


@pytest.mark.parametrize("metric", [psnr, ssim])
def test_unlike_sizes_are_not_compared(metric):
    with pytest.raises(ValueError, match="1x12x12"):
        metric(torch.rand(1, 12, 12), torch.rand(1, 12, 13))


@pytest.mark.parametrize("std", [0.01, 0.02, 0.05, 0.1, 0.2, 0.5])
def test_noise_on_a_photograph_is_estimated_within_a_tenth(std):
    assert noise_std(noisy(CAMERA, std)) == pytest.approx(std, rel=0.1)


@pytest.mark.parametrize("size", [(36, 36), (15, 300), (64, 64)])
def test_noise_alone_is_estimated(size):
    estimates = [noise_std(noisy(torch.zeros(3, *size), 0.1, seed)) for seed in range(5)]
    assert sum(estimates) / 5 == pytest.approx(0.1, rel=0.1)


def test_no_noise_is_none():
    ramp = torch.linspace(0, 1, 64).expand(1, 64, 64)
    assert noise_std(ramp) < 1e-6
    assert noise_std(torch.zeros(1, 64, 64)) == 0


def test_noise_scales_with_the_picture():
    picture = noisy(CAMERA, 0.05)
    assert noise_std(3 * picture + 1) == pytest.approx(3 * noise_std(picture), rel=1e-6)


@pytest.mark.parametrize("size", [(1, 1), (7, 13), (35, 35), (5000, 6)])
def test_too_few_pixels_are_refused(size):
    with pytest.raises(ValueError, match="--noise"):
        noise_std(torch.rand(1, *size))
