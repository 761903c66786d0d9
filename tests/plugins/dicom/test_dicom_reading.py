"""DICOM files become volumes: values, padding, order, place; what is none is told in one line."""

import numpy as np
import pydicom
import pytest
import torch
from dicom_samples import ct, ct_series, enhanced, mosaic, mr, save
from pydicom.data import get_testdata_file
from restore_dicom.files.dicom.reading import read_dicom
from restore_dicom.files.dicom.series import read_series
from restore_dicom.files.nifti import read_nifti

NORMAL = np.cross([0.8, 0.6, 0], [0, 0, -1])  # of dicom_samples.TILTED


def shipped(name):
    return get_testdata_file(name, download=False)


def test_ct_is_read_in_hounsfield_units_at_its_place(tmp_path):
    pixels = np.arange(30, dtype=np.int16).reshape(5, 6)
    record = read_dicom(save(ct(pixels), tmp_path / "a.dcm"))
    assert (record.kind, record.meta["modality"], record.meta["units"]) == ("volume", "CT", "HU")
    assert record.signal.dtype == torch.float32
    np.testing.assert_array_equal(record.signal[0, 0], pixels - 1024.0)
    assert "valid" not in record.meta
    geometry = record.meta["geometry"]
    np.testing.assert_allclose(geometry.affine @ [0, 0, 0, 1], [20, 30, 5, 1])
    assert geometry.spacing == pytest.approx((2.5, 0.5, 0.75))


def test_a_real_ct_slice_has_its_known_values():
    record = read_dicom(shipped("CT_small.dcm"))
    stored = pydicom.dcmread(shipped("CT_small.dcm")).pixel_array
    np.testing.assert_array_equal(record.signal[0, 0], stored - 1024.0)


@pytest.mark.parametrize("name", ["MR_small_RLE.dcm", "MR_small_bigendian.dcm",
                                  "MR_small_implicit.dcm", "MR_small_padded.dcm"])  # fmt: skip
def test_the_transfer_syntax_does_not_change_the_values(name):
    expected = read_dicom(shipped("MR_small.dcm"))
    record = read_dicom(shipped(name))
    assert torch.equal(record.signal, expected.signal)
    assert record.meta["geometry"].close_to(expected.meta["geometry"])


def test_jpeg_2000_of_wrong_signedness_is_read_as_signed():
    record = read_dicom(shipped("J2K_pixelrep_mismatch.dcm"))
    assert record.signal.min() == -2000 and record.signal.max() == 1896  # unsigned: up to 8191


@pytest.mark.parametrize(("first", "last", "padded"), [(-2000, None, 1), (-2001, -2000, 2)])
def test_padding_is_not_valid(tmp_path, first, last, padded):
    pixels = np.array([[-2001, -2000], [-1999, 5]], np.int16)
    made = ct(pixels, PixelPaddingValue=first)
    if last is not None:
        made.PixelPaddingRangeLimit = last
    valid = read_dicom(save(made, tmp_path / "a.dcm")).meta["valid"]
    assert valid.dtype == torch.bool and valid.shape == (1, 1, 2, 2)
    assert (~valid).sum() == padded and not valid[0, 0, 0, 1]


def test_monochrome1_is_about_display_and_leaves_the_values(tmp_path):
    made = ct(np.array([[0, 4095, 100]], np.uint16), BitsStored=12, HighBit=11)
    made.PhotometricInterpretation, made.RescaleSlope = "MONOCHROME1", "2"
    record = read_dicom(save(made, tmp_path / "a.dcm"))
    np.testing.assert_array_equal(record.signal[0, 0, 0], [-1024, 8190 - 1024, 200 - 1024])


def test_overlays_in_the_unused_bits_are_no_values(tmp_path):
    pixels = np.array([[-5, 7, 2047, -2048]], np.int16)
    overlaid = (pixels.view(np.uint16) & 0x0FFF) | 0x5000
    made = mr(overlaid.view(np.int16), BitsStored=12, HighBit=11)
    record = read_dicom(save(made, tmp_path / "a.dcm"))
    np.testing.assert_array_equal(record.signal[0, 0], pixels)


def test_pixels_beyond_the_image_are_no_frames(tmp_path):
    made = mr(np.arange(6, dtype=np.uint16).reshape(2, 3))
    made.PixelData = made.PixelData + bytes(12)
    record = read_dicom(save(made, tmp_path / "a.dcm"))
    np.testing.assert_array_equal(record.signal[0], [[[0, 1, 2], [3, 4, 5]]])


def test_a_series_is_sorted_in_space_whatever_its_names(tmp_path):
    values = ct_series(tmp_path / "scan", (7, 5, 6))
    (tmp_path / "scan" / "README.txt").write_text("not DICOM")
    record = read_series(tmp_path / "scan")
    np.testing.assert_array_equal(record.signal[0], values)
    assert record.meta["geometry"].spacing == pytest.approx((2.5, 0.5, 0.75))
    np.testing.assert_allclose(record.meta["geometry"].affine @ [0, 0, 2, 1], [20, 30, 10, 1])


def test_an_oblique_series_is_sorted_along_its_normal(tmp_path):
    for name, z in (("a", 2), ("b", 0), ("c", 1)):
        pixels = np.full((2, 3), z, np.uint16)
        save(mr(pixels, position=np.array([1.0, 2.0, 3.0]) + 4 * z * NORMAL), tmp_path / name)
    record = read_series(tmp_path)
    np.testing.assert_array_equal(record.signal[0, :, 0, 0], [0, 1, 2])


def test_each_slice_of_a_series_has_its_own_slope_and_signedness(tmp_path):
    pixels = np.full((2, 2), 10)
    save(ct(pixels.astype(np.int16)), tmp_path / "a.dcm")
    other = ct(pixels.astype(np.uint16), position=(-20, -30, 8), RescaleSlope="0.5")
    save(other, tmp_path / "b.dcm")
    record = read_series(tmp_path)
    assert record.signal[0, :, 0, 0].tolist() == [-1014, -1019]


def test_frames_of_an_enhanced_object_are_sorted_and_rescaled_one_by_one(tmp_path):
    positions = [np.array([1.0, 2.0, 3.0]) + h * NORMAL for h in (6, 0, 3)]
    pixels = np.arange(24, dtype=np.uint16).reshape(3, 2, 4)
    record = read_dicom(save(enhanced(pixels, positions), tmp_path / "a.dcm"))
    values = pixels * np.array([2, 3, 4]).reshape(3, 1, 1) + 0.5
    np.testing.assert_allclose(record.signal[0], values[[1, 2, 0]])
    assert record.meta["geometry"].spacing == pytest.approx((3, 0.9, 1.1))


@pytest.mark.parametrize("normal", [1.0, -1.0])
def test_a_mosaic_is_untiled_at_the_place_of_its_slices(tmp_path, normal):
    slices = np.random.default_rng(0).integers(0, 900, (5, 4, 6)).astype(np.uint16)
    record = read_dicom(save(mosaic(slices, normal=normal), tmp_path / "a.ima"))
    np.testing.assert_array_equal(record.signal[0], slices)
    geometry = record.meta["geometry"]
    assert geometry.spacing == pytest.approx((5, 0.9, 1.1))
    # the whole picture is 12x18 pixels and has the centre of the first slice, of 4x6
    middle = np.array([1 + 8.5 * 1.1, 2 + 5.5 * 0.9, 3])
    np.testing.assert_allclose(geometry.lps @ [2.5, 1.5, 0, 1], [*middle, 1])
    np.testing.assert_allclose(geometry.lps @ [2.5, 1.5, 1, 1], [*middle[:2], 3 + 5 * normal, 1])


def test_an_object_without_a_place_has_no_geometry(tmp_path):
    made = mr(np.zeros((2, 2), np.uint16), ImagePositionPatient=None)
    assert read_dicom(save(made, tmp_path / "a.dcm")).meta["geometry"] is None


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("README.txt", "it is no DICOM file"),
        ("MR_truncated.dcm", "it is cut off: .*8130 vs 8192 bytes"),
        ("rtplan.dcm", r"it holds no pixel data \(RT Plan Storage\)"),
        ("examples_rgb_color.dcm", "its pixels are RGB; grey ones are read here"),
        ("examples_palette.dcm", "its pixels are PALETTE COLOR"),
        ("liver_1frame.dcm", "1 of 1 bits"),
        ("rtdose.dcm", "32 of 32 bits"),
    ],
)
def test_what_is_no_grey_image_is_refused_in_one_line(name, words):
    with pytest.raises(ValueError, match=words) as caught:
        read_dicom(shipped(name))
    assert str(caught.value).startswith(shipped(name)) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "packages"),
    [
        ("JPGExtended.dcm", "python-gdcm"),
        ("MR_small_jpeg_ls_lossless.dcm", "python-gdcm"),
        ("MR_small_jp2klossless.dcm", "pylibjpeg pylibjpeg-openjpeg"),
    ],
)
def test_a_missing_decoder_is_named(name, packages, monkeypatch):
    def undecoded(_, **options):
        raise RuntimeError("all plugins are missing dependencies")

    monkeypatch.setattr("restore_dicom.files.dicom.pixels.pixel_array", undecoded)
    monkeypatch.setattr("restore_dicom.files.dicom.pixels.find_spec", lambda module: None)
    with pytest.raises(ValueError, match=rf"needs a decoder: pip install {packages}$"):
        read_dicom(shipped(name))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"RescaleSlope": None}, "no Hounsfield units"),
        ({"RescaleIntercept": None}, "no Hounsfield units"),
        ({"RescaleSlope": "0"}, "RescaleSlope is 0"),
        ({"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]}, "no right angle"),
        ({"PixelSpacing": ["0", "1"]}, "PixelSpacing is broken"),
        ({"PixelData": None}, "no pixel data"),
        ({"BitsStored": None}, "BitsStored missing"),
    ],
)
def test_a_ct_slice_that_misses_its_meaning_is_refused(tmp_path, changes, words):
    path = save(ct(np.zeros((4, 4), np.int16), **changes), tmp_path / "a.dcm")
    with pytest.raises(ValueError, match=words) as caught:
        read_dicom(path)
    assert str(caught.value).startswith(str(path))


def test_a_mosaic_that_does_not_count_its_slices_is_refused(tmp_path):
    made = mosaic(np.zeros((4, 4, 4), np.uint16), private=False)
    with pytest.raises(ValueError, match="how many slices it holds"):
        read_dicom(save(made, tmp_path / "a.ima"))


def test_frames_at_one_place_are_refused(tmp_path):
    made = enhanced(np.zeros((2, 3, 3), np.uint16), [(0, 0, 0), (0, 0, 0)])
    with pytest.raises(ValueError, match="frame 1 and frame 2 lie at the same place"):
        read_dicom(save(made, tmp_path / "a.dcm"))


def other(z, **changes):
    position = changes.pop("position", (-20.0, -30.0, 5.0 + 2.5 * z))
    return ct(np.zeros(changes.pop("size", (5, 6)), np.int16), position=position, **changes)


@pytest.mark.parametrize(
    ("fourth", "words"),
    [
        (lambda: other(3, series="9.9", SeriesDescription="scout"),
         r"holds 2 series.*1\.2\.3\.4 \(CT, phantom, 3 files\); 9\.9 \(CT, scout, 1 file\)"),
        (lambda: other(2), "lie at the same place, 1 such pairs"),
        (lambda: other(3, size=(6, 6)), "new.dcm is 6x6 pixels"),
        (lambda: other(3, ImageOrientationPatient=[0, 1, 0, 0, 0, -1]), "is turned against"),
        (lambda: other(3, PixelSpacing=["0.5", "0.5"]), "another PixelSpacing"),
        (lambda: other(3, ImagePositionPatient=None), "no ImagePositionPatient"),
        (lambda: other(3, RescaleSlope=None), "no Hounsfield units"),
        (lambda: mosaic(np.zeros((4, 3, 3), np.uint16)), "series"),
    ],
)  # fmt: skip
def test_slices_that_make_no_volume_are_refused_by_name(tmp_path, fourth, words):
    ct_series(tmp_path / "scan", (3, 5, 6))
    save(fourth(), tmp_path / "scan" / "new.dcm")
    with pytest.raises(ValueError, match=words) as caught:
        read_series(tmp_path / "scan")
    assert str(caught.value).startswith(str(tmp_path / "scan"))


def test_a_folder_without_images_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(ValueError, match="holds no DICOM image"):
        read_series(tmp_path)
    with pytest.raises(NotADirectoryError):
        read_series(tmp_path / "notes.txt")


def test_the_shared_files_are_read_as_their_manifest_says(shared_data):
    scan = read_series(shared_data / "mri" / "papaya_dicom")
    assert scan.signal.shape == (1, 20, 256, 256)
    assert scan.meta["geometry"].spacing == pytest.approx((7.0, 0.859, 0.859), abs=1e-3)
    enhanced_ct = read_dicom(shared_data / "ct" / "pydicomdata_eCT_Supplemental.dcm")
    assert enhanced_ct.signal.shape == (1, 2, 512, 512)
    assert [s.frame for s in enhanced_ct.meta["dicom"].slices] == [1, 0]
    tiles = read_dicom(shared_data / "mri" / "dcmqa_siemens_mosaic.IMA")
    assert tiles.signal.shape == (1, 60, 90, 90)


def test_a_siemens_mosaic_lies_where_its_nifti_says(shared_data):
    """dcm_qa's reference: the same head, same field of view, interpolated to twice the pixels."""
    tiles = read_dicom(shared_data / "mri" / "dcmqa_siemens_mosaic.IMA").meta["geometry"]
    nifti = read_nifti(shared_data / "mri" / "dcmqa_epi_interp.nii").meta["geometry"]
    ends = [tiles.affine @ [44.5, 44.5, z, 1] for z in (0, 59)]
    expected = [nifti.affine @ [89.5, 89.5, z, 1] for z in (0, 59)]
    np.testing.assert_allclose(ends, expected, atol=2.0)
