"""Stacks in one TIFF, pages or ImageJ's planes, are restored picture by picture, in their order."""

import json

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner
from PIL import Image
from restore_image.files import formats
from restore_image.files.stacks import stack_of
from skimage import data

from restore.cli import main

PLANES = np.stack([data.camera()[100 * i : 100 * i + 40, 200:248] for i in (1, 2, 3)])
RUN = ["--noise", "0.02", "--chains", "1", "--steps", "2", "-q", "--json"]


def run(*arguments: object):
    return CliRunner().invoke(main, ["run", *map(str, arguments)])


@pytest.fixture(params=["pages", "imagej", "colour"])
def stack(request, tmp_path):
    path = tmp_path / "stack.tif"
    if request.param == "imagej":
        tifffile.imwrite(path, PLANES, imagej=True)
        return path, PLANES
    planes = PLANES if request.param == "pages" else np.stack([PLANES] * 3, -1)
    with tifffile.TiffWriter(path) as file:
        for plane in planes:
            file.write(plane, compression="zlib")
    return path, planes


def test_no_plane_is_lost_and_each_is_its_own(stack, tmp_path):
    path, planes = stack
    result = run("denoise", path, "-o", tmp_path / "out", *RUN)
    assert result.exit_code == 0, result.output
    written = tifffile.imread(tmp_path / "out" / "stack" / "restored.tif")
    assert written.shape == planes.shape and written.dtype == planes.dtype
    for restored, plane in zip(written.astype(float), planes.astype(float), strict=True):
        # noise of 0.02 is 5 of 255: each answer lies that near to its own plane
        assert np.abs(restored - plane).mean() < 15
    account = json.loads((tmp_path / "out" / "stack" / "report.json").read_text())
    assert account["facts"]["pieces"] == 3


def test_one_picture_is_no_stack(tmp_path):
    tifffile.imwrite(tmp_path / "one.tif", PLANES[0])
    assert stack_of(tmp_path / "one.tif", 1) is None
    assert stack_of(tmp_path / "missing.tif", 1) is None


def test_a_stack_is_written_as_tiff_or_refused_before_it_is_sampled(tmp_path, monkeypatch):
    monkeypatch.setattr("restore.files.answers.parts.answer", None)
    tifffile.imwrite(tmp_path / "s.tif", PLANES, photometric="minisblack")
    result = run("denoise", tmp_path / "s.tif", "-o", tmp_path / "out", "--format", ".png", *RUN)
    assert result.exit_code == 1 and "write it as .tif" in result.output
    assert not (tmp_path / "out" / "s").exists()


def test_pages_of_different_sizes_are_refused(tmp_path):
    with tifffile.TiffWriter(tmp_path / "s.tif") as file:
        file.write(PLANES[0])
        file.write(PLANES[1, :20])
    result = run("denoise", tmp_path / "s.tif", "-o", tmp_path / "out", *RUN)
    assert result.exit_code == 1 and "s.tif" in result.output and "differ" in result.output


@pytest.mark.parametrize(
    ("pixels", "suffix", "format", "words"),
    [
        (
            PLANES[0].astype(np.uint16) * 257,
            ".png",
            ".jpg",
            "holds uint8, the picture is uint16; write PNG, TIFF or NPY",
        ),
        (np.stack([PLANES[0]] * 4, -1), ".png", ".jpg", "holds no alpha"),
    ],
)
def test_a_format_that_cannot_hold_the_answer_is_refused_at_once(
    tmp_path, monkeypatch, pixels, suffix, format, words
):
    monkeypatch.setattr("restore.files.restoring.answer", None)  # nothing is sampled
    source = tmp_path / f"a{suffix}"
    if pixels.dtype == np.uint16:
        Image.fromarray(pixels).save(source)
    else:
        Image.fromarray(pixels).save(source)
    result = run("denoise", source, "-o", tmp_path / "out", "--format", format, *RUN)
    assert result.exit_code == 1 and words in result.output and "a.png as .jpg" in result.output


def test_floats_may_become_a_png(tmp_path):
    tifffile.imwrite(tmp_path / "f.tif", (PLANES[0] / 255).astype(np.float32))
    result = run("denoise", tmp_path / "f.tif", "-o", tmp_path / "out", "--format", ".png", *RUN)
    assert result.exit_code == 0, result.output
    assert np.asarray(Image.open(tmp_path / "out/f/restored.png")).dtype == np.uint16


@pytest.mark.parametrize(("suffix", "written"), [(".bmp", ".bmp"), (".gif", ".png")])
def test_bmp_and_gif_are_read(tmp_path, suffix, written):
    Image.fromarray(PLANES[0]).save(tmp_path / f"a{suffix}")
    read = formats.read(tmp_path / f"a{suffix}")
    np.testing.assert_array_equal((read.signal[0].numpy() * 255).round(), PLANES[0])
    noise = ["--noise", "5/255", *RUN[2:]]
    result = run("denoise", tmp_path / f"a{suffix}", "-o", tmp_path / "out", *noise)
    assert result.exit_code == 0, result.output
    assert (tmp_path / f"out/a/restored{written}").exists()


def test_names_are_taken_in_any_case(tmp_path):
    Image.fromarray(PLANES[0]).save(tmp_path / "a.png")
    result = run("demosaic", tmp_path / "a.png", "-o", tmp_path / "out", "--pattern", "RGGB", *RUN)
    assert result.exit_code == 0, result.output
