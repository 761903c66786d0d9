"""What is taken for something else, holds nothing, or lies: one line that names the file."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from pydicom import dcmread
from pydicom.data import get_testdata_file
from restore_ultrasound.files.dicom import read_dicom, write_dicom
from restore_ultrasound.files.hdf5 import read_hdf5
from restore_ultrasound.files.pictures import read_png
from restore_ultrasound.files.plus import read_mha, write_mha
from ultrasound_samples import bytes_of, plus, zea

from restore.cli import main

DEPTH, LINES = 256, 24


def speckle(step):
    """A complex field (depth, lines) of speckle, smooth along both axes; step: cell in depth."""
    generator = np.random.default_rng(5)
    white = generator.standard_normal((2, 2 * DEPTH, 2 * LINES))
    taps = np.exp(-0.5 * (np.arange(-4 * step, 4 * step + 1) / step) ** 2)
    for axis, kernel in ((1, taps), (2, np.exp(-0.5 * (np.arange(-6, 7) / 2) ** 2))):
        white = np.apply_along_axis(np.convolve, axis, white, kernel, "same")
    field = (white[0] + 1j * white[1])[:DEPTH, :LINES]
    return field / np.abs(field).max()


def rf():
    return (speckle(6) * np.exp(2j * np.pi * 0.2 * np.arange(DEPTH))[:, None]).real


def interleaved(axis):
    field = speckle(6)
    shape = list(field.shape)
    shape[axis] *= 2
    return np.stack([field.real, field.imag], axis + 1).reshape(shape)


def sequence(path, frame):
    """As a Plus sequence of RF: lines along y."""
    return plus(path, np.rint(frame.T[None] * 20000).astype(np.int16), "RF_REAL", "FM")


def test_radio_frequency_is_taken_for_what_it_is(tmp_path):
    for carrier in (0.02, 0.1, 0.25, 0.4):
        wave = (speckle(6) * np.exp(2j * np.pi * carrier * np.arange(DEPTH))[:, None]).real
        assert read_mha(sequence(tmp_path / "a.mha", wave)).kind == "rf"


@pytest.mark.parametrize(
    "frame, words",
    [
        (lambda: 1 - np.abs(speckle(6)), "does not change its sign"),
        (lambda: np.log10(np.abs(speckle(6)) + 1e-3) / 3, "does not change its sign"),
        (lambda: np.abs(speckle(6)), "does not change its sign"),
        (lambda: interleaved(0), "I and Q, in turn along depth"),
        (lambda: interleaved(1), "I and Q, in turn along lines"),
    ],
    ids=["negative", "decibels", "envelope", "I and Q by sample", "I and Q by line"],
)
@pytest.mark.parametrize("file", ["plus", "zea"])
def test_what_is_no_radio_frequency_is_not_taken_for_it(tmp_path, frame, words, file):
    path = tmp_path / ("wrong.mha" if file == "plus" else "wrong.h5")
    if file == "plus":
        sequence(path, frame())
    else:
        zea(path, {"beamformed_data": frame()[None, ..., None].astype(np.float32)})
    with pytest.raises(ValueError, match="wrong") as caught:
        (read_mha if file == "plus" else read_hdf5)(path)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_uff_is_refused_by_its_name(tmp_path):
    (tmp_path / "a.uff").write_bytes(b"anything")
    words = ["run", "dehaze", str(tmp_path / "a.uff"), "-o", str(tmp_path / "out")]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 1 and "a.uff: the layout of USTB" in result.output


def _without(dataset):
    for colour in ("Red", "Green", "Blue"):
        delattr(dataset, f"{colour}PaletteColorLookupTableDescriptor")


def _coloured(dataset):
    count = len(dataset.RedPaletteColorLookupTableData)
    dataset.RedPaletteColorLookupTableData = bytes(count)
    dataset.GreenPaletteColorLookupTableData = b"\xff" * count


@pytest.mark.parametrize(
    "spoil, words", [(_without, "palette, which it does not hold"), (_coloured, "shades of grey")]
)
def test_a_palette_that_is_none_of_grey_is_refused(tmp_path, spoil, words):
    dataset = dcmread(get_testdata_file("examples_palette.dcm", download=False))
    spoil(dataset)
    dataset.save_as(tmp_path / "odd.dcm")
    with pytest.raises(ValueError, match=r"odd\.dcm") as caught:
        read_dicom(tmp_path / "odd.dcm")
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_a_palette_of_colours_is_refused_in_png(tmp_path):
    image = Image.fromarray(bytes_of(20, 30), "P")
    image.putpalette([v for n in range(256) for v in (n, 0, 255 - n)])
    image.save(tmp_path / "odd.png")
    with pytest.raises(ValueError, match=r"odd\.png: .* shades of grey"):
        read_png(tmp_path / "odd.png")


def test_pixels_beyond_a_palette_are_its_last_colour_and_stay(tmp_path):
    image = Image.fromarray(np.array([[0, 1, 2, 9]] * 4, np.uint8), "P")
    image.putpalette([0, 0, 0, 128, 128, 128, 255, 255, 255])
    image.save(tmp_path / "a.png")
    record = read_png(tmp_path / "a.png")
    assert record.signal[0, 0, 0, 2] == 1 and record.signal.max() == 1


def run(source, out, untrained, *more):
    words = ["run", "dehaze", source, "-o", out, "--prior", untrained[0], "--haze", untrained[1]]
    words += ["--chains", 1, "--steps", 2, "--quiet", *more]
    result = CliRunner().invoke(main, list(map(str, words)))
    assert result.exit_code == 0, result.output


def test_a_clip_of_one_frame_is_a_frame_and_stays_a_clip(tmp_path, untrained):
    dataset = dcmread(get_testdata_file("examples_rgb_color.dcm", download=False))
    dataset.set_pixel_data(np.clip(bytes_of(1, 48, 64), 3, 255), "MONOCHROME2", 8)
    dataset.NumberOfFrames, dataset.FrameTimeVector = 1, [0]
    dataset.save_as(tmp_path / "a.dcm")
    run(tmp_path / "a.dcm", tmp_path / "out", untrained, "--region", "all")
    made = dcmread(tmp_path / "out" / "a" / "restored.dcm")
    assert made.NumberOfFrames == 1 and made.pixel_array.shape == (48, 64)
    assert np.load(tmp_path / "out" / "a" / "mean.npy").shape == (2, 48, 64)
    source = plus(tmp_path / "b.mha", bytes_of(1, 48, 64), "BRIGHTNESS", "MF")
    write_mha(read_mha(source), tmp_path / "c.mha")
    assert (tmp_path / "c.mha").read_bytes() == source.read_bytes()


def test_black_frames_of_a_clip_stay_black(tmp_path, untrained):
    stored = np.clip(bytes_of(3, 48, 64), 3, 255).astype(np.uint8)
    stored[1] = 0
    run(
        plus(tmp_path / "a.mha", stored, "BRIGHTNESS", "MF"),
        tmp_path / "out",
        untrained,
        "--warm",
        0.2,
        "--motion",
    )
    made = read_mha(tmp_path / "out" / "a" / "restored.mha").signal[0]
    assert (made[1] == 0).all() and (made[2] > 0).any()
    facts = json.loads((tmp_path / "out" / "a" / "report.json").read_text())["facts"]
    assert facts["frames"] == 3


def test_a_clip_without_any_echo_is_refused(tmp_path):
    plus(tmp_path / "dark.mha", np.zeros((3, 48, 64), np.uint8), "BRIGHTNESS", "MF")
    words = ["run", "dehaze", str(tmp_path / "dark.mha"), "-o", str(tmp_path / "out")]
    result = CliRunner().invoke(main, words)
    assert (
        result.exit_code == 1 and "no echoes" in result.output and not (tmp_path / "out").exists()
    )


def test_more_frames_than_are_told_are_no_secret(tmp_path):
    path = plus(tmp_path / "more.mha", bytes_of(3, 8, 9), "BRIGHTNESS", "MF", DimSize="9 8 2")
    with pytest.raises(ValueError, match=r"more\.mha: it tells of 2 frames and holds more"):
        read_mha(path)


def test_an_empty_deviation_is_none_of_infinity(tmp_path):
    """A Parametric Map of frames without any deviation tells 0 as its least and greatest value."""
    dataset = dcmread(get_testdata_file("examples_rgb_color.dcm", download=False))
    dataset.set_pixel_data(bytes_of(2, 24, 30), "MONOCHROME2", 8)
    dataset.save_as(tmp_path / "a.dcm")
    record = read_dicom(tmp_path / "a.dcm")
    blank = replace(record, signal=torch.zeros_like(record.signal), kind="std")
    write_dicom(blank, tmp_path / "b.dcm")
    made = dcmread(tmp_path / "b.dcm")
    mapped = made.SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence[0]
    assert mapped.DoubleFloatRealWorldValueLastValueMapped == 0 and not made.pixel_array.any()
