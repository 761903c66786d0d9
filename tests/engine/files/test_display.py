"""Signals as pixels: sizes, colours and scales that mean what they say."""

import numpy as np
import pytest
import torch

from restore.files.report import display


def test_shrinking_keeps_the_mean_and_the_shape_of_a_picture():
    picture = torch.rand(3, 400, 200, generator=torch.Generator().manual_seed(0))
    small = display.shrink(picture, 100)
    assert small.shape == (3, 100, 50)
    assert torch.allclose(small.mean((1, 2)), picture.mean((1, 2)), atol=1e-6)
    assert display.shrink(picture, 400) is picture
    assert display.shrink(torch.rand(1, 1, 5000), 100).shape == (1, 1, 100)


def test_pixels_are_rounded_and_clipped():
    picture = torch.tensor([[[-1.0, 0.0, 0.5, 1.0, 2.0]]])
    assert display.pixels(picture).tolist() == [[0, 0, 128, 255, 255]]


def test_two_channels_are_shown_by_their_magnitude():
    complex_image = torch.tensor([[[3.0, 0.0]], [[4.0, 0.0]]])
    assert display.pixels(complex_image).tolist() == [[255, 0]]
    assert display.pixels(torch.zeros(2, 1, 1)).tolist() == [[0]]


@pytest.mark.parametrize("shape", [(4, 4), (1, 1, 4, 4)])
def test_what_is_no_picture_is_refused(shape):
    with pytest.raises(ValueError, match="a picture is"):
        display.pixels(torch.zeros(shape))


def test_the_colours_rise_evenly_in_lightness():
    bar = display.heat_bar()[0] / 255
    linear = np.where(bar <= 0.04045, bar / 12.92, ((bar + 0.055) / 1.055) ** 2.4)
    luminance = linear @ [0.2126, 0.7152, 0.0722]
    lightness = np.cbrt(luminance)
    steps = np.diff(lightness)
    assert (steps > 0).all()  # so it can be read in grey, too
    assert steps.max() < 3 * steps.mean()  # and no step stands out as an edge


def test_the_brightest_colour_is_the_value_on_the_scale():
    std = torch.linspace(0, 0.1, 101).reshape(1, 1, 101)
    colours, top = display.heat(std, top=0.1)
    assert top == 0.1
    assert np.array_equal(colours[0, -1], display.heat_bar()[0, -1])
    assert np.array_equal(colours[0, 0], display.heat_bar()[0, 0])
    joined, _ = display.heat(std.expand(3, 1, 101), top=0.1)  # equal channels are one channel
    assert np.array_equal(joined, colours)


def test_zero_is_the_middle_grey_of_a_residual():
    grey, top = display.signed(torch.tensor([[[-0.2, 0.0, 0.2]]]))
    assert grey.tolist() == [[0, 128, 255]]
    assert top == pytest.approx(0.2, rel=0.01)


def test_a_picture_of_zeros_has_a_scale():
    for show in (display.heat, display.signed):
        colours, top = show(torch.zeros(1, 3, 3))
        assert top > 0 and np.isfinite(colours).all()
