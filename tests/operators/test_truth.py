"""Operators against independent ways to the same numbers."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from catalogue import LEANING, MOTION, random
from restore_operators import (
    AlongAxis,
    Bayer,
    BilinearBlur,
    Blur,
    ChannelsToComplex,
    Clip,
    Downsample,
    Fourier,
    Gamma,
    Mask,
    Pad,
    Take,
    bicubic_kernel,
    box_kernel,
    box_mask,
    disc_kernel,
    gaussian_kernel,
    grey,
    motion_kernel,
    random_mask,
    thick_slices,
)
from scipy import ndimage

from restore.measurement.spectral import dense

SCIPY = {"circular": "wrap", "reflect": "mirror", "replicate": "nearest", "zero": "constant"}
NUMPY = {"circular": "wrap", "reflect": "reflect", "replicate": "edge", "zero": "constant"}


@pytest.mark.parametrize("boundary", SCIPY)
@pytest.mark.parametrize(
    "kernel",
    [gaussian_kernel(0.8), random(3, 5), random(11, 7), random(3, 1), random(13, 15)],
    ids=["gaussian", "3x5", "11x7", "3x1", "13x15"],
)
def test_blur_is_the_convolution_of_scipy(kernel, boundary):
    x = random(2, 2, 12, 9)
    found = Blur((2, 12, 9), kernel, boundary=boundary)(x)
    for image, blurred in zip(x.flatten(0, 1), found.flatten(0, 1), strict=True):
        expected = ndimage.convolve(image.numpy(), kernel.numpy(), mode=SCIPY[boundary])
        np.testing.assert_allclose(blurred, expected, atol=1e-12)


@pytest.mark.parametrize("kernel", [LEANING, MOTION, random(1, 1), random(6, 5)])
def test_a_bilinear_blur_is_the_blur_of_its_kernel(kernel):
    x = random(2, 3, 6, 5)
    operator = BilinearBlur((3, 6, 5), kernel.shape)
    z = torch.cat([x.flatten(1), kernel.flatten().expand(2, -1)], 1)
    torch.testing.assert_close(operator(z), Blur((3, 6, 5), kernel)(x))
    image, kernels = operator.parts(z)
    assert image.equal(x) and kernels[1].equal(kernel)


@pytest.mark.parametrize("kernel", [LEANING, MOTION, random(15, 8)], ids=["4x2", "motion", "15x8"])
def test_circular_blur_is_the_sum_it_is_defined_by(kernel):
    x = random(1, 1, 5, 6)
    y = Blur((1, 5, 6), kernel)(x)
    (rows, columns), expected = kernel.shape, torch.zeros(5, 6, dtype=torch.float64)
    for i in range(5):
        for j in range(6):
            for r in range(rows):
                for c in range(columns):
                    source = (i + rows // 2 - r) % 5, (j + columns // 2 - c) % 6
                    expected[i, j] += kernel[r, c] * x[0, 0, source[0], source[1]]
    torch.testing.assert_close(y[0, 0], expected)


@pytest.mark.parametrize("boundary", SCIPY)
def test_a_kernel_a_channel_is_each_by_itself(boundary):
    kernels, x = random(3, 5, 4), random(2, 3, 8, 7)
    together = Blur((3, 8, 7), kernels, boundary=boundary)(x)
    for channel in range(3):
        one = slice(channel, channel + 1)
        alone = Blur((1, 8, 7), kernels[channel], boundary=boundary)(x[:, one])
        torch.testing.assert_close(together[:, one], alone)


@pytest.mark.parametrize("boundary", NUMPY)
@pytest.mark.parametrize("size", [(4, 5), (1, 2), (1, 1)])
def test_padding_is_that_of_numpy(size, boundary):
    x = random(*size)
    found = Pad((1, *size), (3, 7), (9, 2), boundary)(x[None, None])[0, 0]
    np.testing.assert_array_equal(found, np.pad(x, ((3, 7), (9, 2)), mode=NUMPY[boundary]))


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_bicubic_downsampling_is_that_of_torch_inside(factor):
    size = (factor * 12, factor * 9)
    x = random(1, 2, *size)
    expected = F.interpolate(
        x, scale_factor=1 / factor, mode="bicubic", antialias=True, align_corners=False
    )
    found = Downsample((2, *size), factor)(x)
    inside = (..., slice(2, -2), slice(2, -2))  # at its edges torch cuts the window off
    torch.testing.assert_close(found[inside], expected[inside], rtol=0, atol=1e-6)


@pytest.mark.parametrize("factor", [2, 3])
def test_box_downsampling_is_the_mean_of_blocks(factor):
    x = random(1, 3, 6, 12)
    found = Downsample((3, 6, 12), factor, box_kernel(factor))(x)
    torch.testing.assert_close(found, F.avg_pool2d(x, factor))


def test_a_whole_factor_may_be_any_kind_of_number():
    x = random(1, 1, 6, 4)
    assert Downsample((1, 6, 4), 2.0)(x).equal(Downsample((1, 6, 4), 2)(x))


@pytest.mark.parametrize("boundary", SCIPY)
def test_an_odd_kernel_and_an_even_factor_keep_every_second_pixel_of_a_blur(boundary):
    x = random(2, 1, 8, 10)
    blurred = Blur((1, 8, 10), MOTION, boundary=boundary)(x)
    found = Downsample((1, 8, 10), 2, MOTION, boundary=boundary)(x)
    torch.testing.assert_close(found, blurred[..., ::2, ::2])


@pytest.mark.parametrize("boundary", ["circular", "reflect", "replicate"])
@pytest.mark.parametrize("factor", [2, 3, 4])
def test_downsampling_keeps_a_flat_image_flat(factor, boundary):
    shape = (1, 3 * factor, 2 * factor)
    kernels = (None, box_kernel(factor), gaussian_kernel(factor / 2, 4 * factor - factor % 2))
    for kernel in kernels:
        y = Downsample(shape, factor, kernel, boundary=boundary)(torch.ones(1, *shape))
        torch.testing.assert_close(y, torch.ones_like(y))


@pytest.mark.parametrize("size", [(4, 6), (5, 7), (4, 7), (1, 3)])
def test_fourier_is_that_of_numpy_with_both_origins_in_the_middle(size):
    x = random(2, *size, dtype=torch.complex128)
    shifted = np.fft.ifftshift(x.numpy(), axes=(-2, -1))
    expected = np.fft.fftshift(np.fft.fft2(shifted, norm="ortho"), axes=(-2, -1))
    np.testing.assert_allclose(Fourier((2, *size))(x[None])[0], expected, atol=1e-12)


@pytest.mark.parametrize("size", [6, 7])
def test_fourier_is_the_sum_it_is_defined_by(size):
    x = random(size, dtype=torch.complex128)
    place = torch.arange(size, dtype=torch.float64) - size // 2
    waves = torch.exp(-2j * math.pi * place[:, None] * place / size) / math.sqrt(size)
    found = Fourier((size,), axes=1)(x[None])[0]
    torch.testing.assert_close(found, waves @ x)


def test_fourier_of_a_volume_is_that_of_each_axis_in_turn():
    x = random(1, 3, 4, 5, dtype=torch.complex128)
    planes = Fourier((3, 4, 5))(x)
    expected = Fourier((4, 5, 3), axes=1)(planes.movedim(1, -1)).movedim(-1, 1)
    torch.testing.assert_close(Fourier((3, 4, 5), axes=3)(x), expected)


def test_channels_become_complex_numbers():
    x = random(1, 4, 2, 3)
    expected = x[:, :2].numpy() + 1j * x[:, 2:].numpy()
    np.testing.assert_array_equal(ChannelsToComplex((4, 2, 3))(x), expected)


def test_every_pixel_of_a_mosaic_shows_its_colour():
    colours = torch.tensor([1.0, 2.0, 3.0]).reshape(1, 3, 1, 1).expand(1, 3, 3, 5)
    rows = {"RGGB": "RGRGR GBGBG RGRGR", "GBRG": "GBGBG RGRGR GBGBG"}
    rows |= {"BGGR": "BGBGB GRGRG BGBGB", "GRBG": "GRGRG BGBGB GRGRG"}
    for pattern, expected in rows.items():
        seen = Bayer((3, 3, 5), pattern)(colours)[0, 0]
        found = " ".join("".join(".RGB"[int(value)] for value in row) for row in seen)
        assert found == expected


def test_grey_of_a_grey_picture_is_itself():
    x = random(2, 1, 4, 5)
    torch.testing.assert_close(grey((3, 4, 5))(x.expand(2, 3, 4, 5)), x)


def test_take_gives_the_channels_it_says():
    x = random(2, 4, 3)
    assert Take((4, 3), 1, 3)(x).equal(x[:, 1:3])


def test_a_random_mask_misses_exactly_its_share():
    mask = random_mask((2, 10, 7), 0.3, seed=4)
    assert mask.sum() == 98 and mask.unique().tolist() == [0, 1]
    assert mask.equal(random_mask((2, 10, 7), 0.3, seed=4))
    assert not mask.equal(random_mask((2, 10, 7), 0.3, seed=5))
    assert random_mask((5,), 1.0).sum() == 0 and random_mask((5,), 0.0).sum() == 5


def test_a_box_mask_misses_its_box():
    mask = box_mask((1, 5, 6), (1, 2, 3, 4))
    expected = np.ones((1, 5, 6))
    expected[:, 1:4, 2:6] = 0
    np.testing.assert_array_equal(mask, expected)


def test_a_mask_of_integers_or_truths_is_one_of_ones():
    x = random(1, 2, 3).float()
    truths = torch.tensor([[True, False, True], [False, True, True]])
    assert Mask(truths)(x).equal(Mask(truths.to(torch.uint8))(x))
    assert Mask(truths)(x).equal(x * truths)


def test_a_gaussian_is_that_of_scipy():
    for std in (0.6, 1.6, 3.0):
        kernel = gaussian_kernel(std)
        impulse = np.zeros(kernel.shape)
        impulse[tuple(n // 2 for n in kernel.shape)] = 1
        expected = ndimage.gaussian_filter(impulse, std, mode="constant")
        np.testing.assert_allclose(kernel, expected / expected.sum(), atol=1e-12)


@pytest.mark.parametrize(("length", "angle"), [(4.3, 33), (7, 90), (5, 0), (6, -45), (1, 20)])
def test_motion_is_the_time_spent_over_each_pixel(length, angle):
    kernel = motion_kernel(length, angle)
    time = (torch.arange(200_000, dtype=torch.float64) + 0.5) / 200_000 - 0.5
    down = -math.sin(math.radians(angle)) * length * time
    right = math.cos(math.radians(angle)) * length * time
    middle = [n // 2 for n in kernel.shape]
    expected = torch.zeros_like(kernel)
    places = ((down * (1 - 1e-9)).round().long() + middle[0], right.round().long() + middle[1])
    expected.index_put_(places, torch.full_like(time, 1 / 200_000), accumulate=True)
    torch.testing.assert_close(kernel, expected, rtol=0, atol=2e-5)


@pytest.mark.parametrize("radius", [0.3, 1.0, 2.5, 3.2])
def test_a_disc_is_the_area_it_covers(radius):
    kernel = disc_kernel(radius)
    size, fine = kernel.shape[0], 200
    place = (torch.arange(size * fine) + 0.5) / fine - size / 2
    inside = (place[:, None] ** 2 + place**2 <= radius**2).double()
    expected = inside.reshape(size, fine, size, fine).mean((1, 3))
    torch.testing.assert_close(kernel, expected / expected.sum(), rtol=0, atol=1e-4)
    assert kernel[0].sum() > 0  # no empty border


@pytest.mark.parametrize(
    "kernel",
    [
        gaussian_kernel(1.6),
        gaussian_kernel(1, 6),
        motion_kernel(15, 30),
        disc_kernel(3),
        box_kernel(3),
        bicubic_kernel(2),
        bicubic_kernel(3),
    ],
)
def test_a_kernel_sums_to_one_and_is_centred(kernel):
    torch.testing.assert_close(kernel.sum().item(), 1.0)
    torch.testing.assert_close(kernel, kernel.flip(0, 1), rtol=0, atol=1e-12)


def test_clipping_and_gamma_are_what_they_say():
    x = torch.tensor([[-0.5, 0.0, 0.25, 1.0, 1.5]])
    assert Clip((5,))(x).tolist() == [[0.0, 0.0, 0.25, 1.0, 1.0]]
    torch.testing.assert_close(Gamma((5,), 2.0)(x)[0, 2:], x[0, 2:] ** 2)
    encoded = Gamma((5,))(x)
    torch.testing.assert_close(encoded[0, 2:], x[0, 2:] ** (1 / 2.2))
    assert encoded[0, 1] == 0 and encoded[0, 0] < 0
    near = torch.tensor([[0.999e-3, 1.001e-3]])
    assert Gamma((2,))(near).diff().item() == pytest.approx(0, abs=1e-3)


def test_a_thick_slice_is_the_mean_of_thin_ones():
    x = random(2, 1, 6, 3, 4)
    expected = x.reshape(2, 1, 2, 3, 3, 4).mean(3)
    torch.testing.assert_close(thick_slices((1, 6, 3, 4), 3)(x), expected)
    assert thick_slices((1, 6, 3, 4), 2, -1).out_shape == (1, 6, 3, 2)


def test_a_slice_profile_stands_on_the_middle_and_is_cut_at_the_ends():
    profile = torch.tensor([1.0, 2.0, 2.0, 1.0])
    matrix = dense(thick_slices((1, 6), 2, 1, profile))
    expected = torch.tensor([[2, 2, 1, 0, 0, 0], [0, 1, 2, 2, 1, 0], [0, 0, 0, 1, 2, 2]]).double()
    torch.testing.assert_close(matrix, expected / expected.sum(1, keepdim=True))


def test_a_matrix_along_an_axis_is_that_of_every_line():
    matrix, x = random(3, 5), random(2, 1, 4, 5, 2, seed=1)
    found = AlongAxis(matrix, (1, 4, 5, 2), 2)(x)
    torch.testing.assert_close(found, torch.einsum("mn,bcznx->bczmx", matrix, x))


@pytest.mark.parametrize("origin", [(0, 0), (1, 2), (3, 1), None])
def test_a_point_becomes_the_kernel_with_its_origin_upon_it(origin):
    kernel = random(4, 3).abs()
    row, column = (2, 1) if origin is None else origin
    x = torch.zeros(1, 1, 9, 9)
    x[..., 4, 4] = 1
    expected = torch.zeros(1, 1, 9, 9)
    expected[..., 4 - row : 8 - row, 4 - column : 7 - column] = kernel
    for boundary in ("zero", "circular", "reflect"):
        found = Blur((1, 9, 9), kernel, boundary=boundary, origin=origin)(x)
        torch.testing.assert_close(found, expected)
    with pytest.raises(ValueError, match="lies outside a kernel of 4x3"):
        Blur((1, 9, 9), kernel, origin=(4, 0))
