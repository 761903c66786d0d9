"""PNG files: every reader finds the pixels that were written."""

import io

import numpy as np
import pytest

from restore.files.report import png

Image = pytest.importorskip("PIL.Image", reason="Pillow reads the files back")


def decoded(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)))


@pytest.mark.parametrize(
    "shape", [(1, 1), (1, 7), (9, 1), (65, 33), (130, 64), (5, 4, 3), (67, 31, 3)]
)
def test_pixels_survive_whatever_their_size(shape):
    noise = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    ramp = np.arange(np.prod(shape)).reshape(shape).astype(np.uint8)
    for pixels in (noise, ramp, np.full(shape, 255, np.uint8), noise[::-1]):
        assert np.array_equal(decoded(png.encode(pixels)), pixels)


def test_smooth_pictures_are_packed_small():
    across, down = np.meshgrid(np.arange(256), np.arange(200))
    smooth = ((across + down) // 2).astype(np.uint8)
    assert len(png.encode(smooth)) < smooth.size / 20


@pytest.mark.parametrize(
    "pixels, error",
    [
        (np.zeros((4, 4)), TypeError),
        (np.zeros((4, 4, 4), np.uint8), ValueError),
        (np.zeros((0, 4), np.uint8), ValueError),
        (np.zeros(4, np.uint8), ValueError),
    ],
)
def test_what_is_no_8_bit_picture_is_refused(pixels, error):
    with pytest.raises(error):
        png.encode(pixels)
