"""DICOM ultrasound: what is written decodes, by pydicom, to what the source decodes to."""

import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest
import torch
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.pixels import apply_color_lut, pixel_array
from pydicom.uid import RLELossless
from restore_ultrasound.echoes.sector import boxes
from restore_ultrasound.files.dicom import read_dicom, write_dicom

# each ships with pydicom: nothing is downloaded
NAMES = (
    "examples_palette.dcm", "examples_rgb_color.dcm", "examples_ybr_color.dcm",
    "SC_ybr_full_422_uncompressed.dcm", "SC_rgb_rle_16bit.dcm", "SC_rgb_dcmtk_+eb+cy+np.dcm",
)  # fmt: skip


def sample(name):
    return get_testdata_file(name, download=False)


def shown(path):
    """What a viewer shows: RGB, or grey."""
    dataset = dcmread(path)
    pixels = pixel_array(dataset)
    if dataset.PhotometricInterpretation == "PALETTE COLOR":
        pixels = apply_color_lut(pixels, dataset)
    return pixels.astype(int)


@pytest.mark.parametrize("name", NAMES)
def test_a_file_that_is_not_changed_decodes_to_the_same_colours(tmp_path, name):
    record = read_dicom(sample(name))
    write_dicom(record, tmp_path / "b.dcm")
    assert np.array_equal(shown(sample(name)), shown(tmp_path / "b.dcm"))


@pytest.mark.parametrize("name", NAMES[:3])
def test_only_the_box_changes_and_grey_stays_grey(tmp_path, name):
    record = read_dicom(sample(name))
    signal = record.signal.clone()
    box = (slice(None), slice(None), slice(80, 160), slice(100, 220))
    signal[box] = (signal[box] - 40 / 255).clamp(min=0)
    write_dicom(record.with_signal(signal), tmp_path / "b.dcm")
    before, after = shown(sample(name)), shown(tmp_path / "b.dcm")
    before, after = (x.reshape(-1, *x.shape[-3:]) for x in (before, after))
    inside = np.zeros(before.shape[1:3], bool)
    inside[80:160, 100:220] = True
    assert np.array_equal(before[:, ~inside], after[:, ~inside])
    was, now = before[:, inside], after[:, inside]
    top = 65535 if name == NAMES[0] else 255
    grey = np.ptp(was, -1) == 0
    assert (np.ptp(now[grey], -1) <= top * 2 / 255).all()  # YBR to RGB rounds each sample
    fell = (was - now)[grey & (was.min(-1) > top * 60 / 255)] / top * 255
    assert np.abs(fell - 40).max() <= 2  # a step of brightness, one more of YBR's rounding


def test_a_derived_object_keeps_what_describes_the_picture(tmp_path):
    source = sample("examples_ybr_color.dcm")
    write_dicom(read_dicom(source), tmp_path / "b.dcm")
    before, after = dcmread(source), dcmread(tmp_path / "b.dcm")
    for name in ("SequenceOfUltrasoundRegions", "FrameTime", "NumberOfFrames", "PatientID",
                 "StudyInstanceUID", "Rows", "Columns"):  # fmt: skip
        assert after.get(name) == before.get(name), name
    assert after.PhotometricInterpretation == "YBR_FULL" and after.PlanarConfiguration == 0
    assert after.SOPInstanceUID != before.SOPInstanceUID
    assert after.ImageType[:2] == ["DERIVED", "SECONDARY"] and after.LossyImageCompression == "01"
    assert after.get("BurnedInAnnotation") == before.get("BurnedInAnnotation")


def test_frame_times_and_regions_are_read():
    record = read_dicom(sample("examples_ybr_color.dcm"))
    assert record.signal.shape == (1, 30, 240, 320)
    assert record.meta["seconds"][:2] == [0.0, 0.033333]
    region = record.meta["regions"][0]
    assert (region.left, region.top, region.right, region.bottom) == (84, 31, 595, 414)
    with pytest.raises(ValueError, match="does not lie in its frame of 320x240"):
        boxes(record, "")  # the sample was made smaller than its regions tell
    assert str(boxes(record, "10,20,300,200")[0]) == "10,20,300,200"


def test_a_file_without_regions_asks_for_them():
    record = read_dicom(sample("examples_rgb_color.dcm"))
    with pytest.raises(ValueError, match=r"tells no ultrasound regions; give .* --region"):
        boxes(record, "")
    assert boxes(record, "all")[0].bottom == 240


@pytest.mark.parametrize("bits, inverted", [(8, False), (12, False), (16, True)])
def test_grey_of_any_bits_and_either_sense(tmp_path, bits, inverted):
    stored = (
        np.random.default_rng(0)
        .integers(0, 1 << bits, (24, 30))
        .astype(np.uint8 if bits == 8 else np.uint16)
    )
    dataset = dcmread(sample("examples_rgb_color.dcm"))
    name = "MONOCHROME1" if inverted else "MONOCHROME2"
    dataset.set_pixel_data(stored, name, bits)
    dataset.save_as(tmp_path / "a.dcm")
    record = read_dicom(tmp_path / "a.dcm")
    wanted = torch.from_numpy(stored.astype(np.float32) / ((1 << bits) - 1))
    torch.testing.assert_close(record.signal[0, 0], 1 - wanted if inverted else wanted)
    write_dicom(record, tmp_path / "b.dcm")
    assert np.array_equal(dcmread(tmp_path / "b.dcm").pixel_array, stored)


def _cut(dataset):
    dataset.PixelData = dataset.PixelData[:1000]


def _many(dataset):
    dataset.NumberOfFrames = 7


def _fewer(dataset):
    dataset.set_pixel_data(np.zeros((3, 24, 30), np.uint8), "MONOCHROME2", 8)
    dataset.NumberOfFrames = 2


def _fewer_packed(dataset):
    _fewer(dataset)
    dataset.NumberOfFrames = 3
    dataset.compress(RLELossless)
    dataset.NumberOfFrames = 2


def _huge(dataset):
    dataset.Rows = dataset.Columns = 60000


def _none(dataset):
    del dataset.PixelData


def _odd(dataset):
    dataset.PhotometricInterpretation = "CMYK"


@pytest.mark.parametrize(
    "spoil, words",
    [
        (_cut, "cut off"),
        (_many, "cut off: it tells of 7 frames and holds 1"),
        (_fewer, "it tells of 2 frames and holds 3"),
        (_fewer_packed, "it tells of 2 frames and holds 3"),
        (_huge, "declares 3600000000 values"),
        (_none, "no pixel data"),
        (_odd, "CMYK"),
    ],
)
def test_a_broken_file_gets_one_line_that_names_it(tmp_path, spoil, words):
    dataset = dcmread(sample("examples_rgb_color.dcm"))
    spoil(dataset)
    dataset.save_as(tmp_path / "broken.dcm")
    with pytest.raises(ValueError, match=r"broken\.dcm") as caught:
        read_dicom(tmp_path / "broken.dcm")
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_real_files_of_scanners_come_back_as_they_were(shared_data, tmp_path):
    for name in ("pydicomdata_OBXXXX1A_rle_2frame.dcm", "pydicomdata_US1_UNCR.dcm"):
        path = shared_data / "ultrasound" / name
        write_dicom(read_dicom(path), tmp_path / name)
        assert np.array_equal(shown(path), shown(tmp_path / name))


def test_a_deviation_has_a_place_of_its_own(tmp_path):
    """A Parametric Map must say where its frames lie, which ultrasound does not know."""
    record = read_dicom(sample("examples_rgb_color.dcm"))
    write_dicom(replace(record, kind="std"), tmp_path / "std.dcm")
    made, source = dcmread(tmp_path / "std.dcm"), dcmread(sample("examples_rgb_color.dcm"))
    (frame,) = made.PerFrameFunctionalGroupsSequence
    assert frame.PlanePositionSequence[0].ImagePositionPatient == [0, 0, 0]
    assert made.FrameOfReferenceUID != source.get("FrameOfReferenceUID")


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy (dicom3tools) is not here")
@pytest.mark.parametrize("name", NAMES[:2])  # of YBR_FULL it allows compressed pixels alone
def test_what_is_written_has_no_error_that_its_source_has_not(tmp_path, name):
    record = read_dicom(sample(name))
    write_dicom(record, tmp_path / "b.dcm")
    write_dicom(replace(record, kind="std"), tmp_path / "std.dcm")

    def errors(path):
        done = subprocess.run(["dciodvfy", path], capture_output=True, text=True, check=False)
        return {x for x in (done.stdout + done.stderr).splitlines() if x.startswith("Error")}

    assert errors(tmp_path / "b.dcm") <= errors(sample(name))
    assert errors(tmp_path / "std.dcm") <= errors(sample(name))
