"""NIfTI comes back with its affine, codes, zooms and units, as float32 without a scale."""

import gzip
from dataclasses import replace

import nibabel
import numpy as np
import pytest
import torch
from dicom_samples import ct_series
from restore_dicom.files.dicom.series import read_series
from restore_dicom.files.nifti import read_nifti, write_nifti
from restore_dicom.geometry import Geometry

from restore.files.task import Record

AFFINE = np.array([[-0.8, 0.1, 0.2, 40], [0.1, 1.1, 0, -50], [0.1, 0, 2.5, -7], [0, 0, 0, 1]])
SHAPES = [(6, 5), (6, 5, 4), (6, 5, 4, 1), (1, 1, 1)]


def made(path, values, *, slope=None, inter=None, codes=(2, 1), kind=nibabel.Nifti1Image):
    image = kind(values, AFFINE)
    image.set_sform(AFFINE, codes[0])
    image.set_qform(AFFINE, codes[1])
    image.header.set_xyzt_units("mm", "sec")
    if slope is not None:
        image.header.set_slope_inter(slope, inter)
    image.to_filename(path)
    return path


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
def test_values_shape_and_place_come_back(tmp_path, ending, shape, kind):
    values = np.random.default_rng(0).integers(-900, 900, shape).astype(np.int16)
    record = read_nifti(made(tmp_path / f"a{ending}", values, kind=kind))
    x, y, z = (*shape, 1)[:3]
    assert record.signal.shape == (1, z, y, x) and record.signal.dtype == torch.float32
    np.testing.assert_array_equal(record.signal[0].permute(2, 1, 0), values.reshape(x, y, z))
    write_nifti(record, tmp_path / f"b{ending}")
    before, after = nibabel.load(tmp_path / f"a{ending}"), nibabel.load(tmp_path / f"b{ending}")
    assert type(before) is type(after) and after.shape == shape
    assert after.get_data_dtype() == np.float32
    np.testing.assert_array_equal(np.asanyarray(after.dataobj), values)
    np.testing.assert_array_equal(after.affine, before.affine)
    assert after.header.get_zooms() == before.header.get_zooms()
    assert after.header.get_xyzt_units() == ("mm", "sec")


@pytest.mark.parametrize("codes", [(0, 0), (1, 0), (0, 1), (4, 1)])
def test_the_codes_of_both_forms_are_kept(tmp_path, codes):
    record = read_nifti(made(tmp_path / "a.nii", np.zeros((6, 5, 4), np.uint8), codes=codes))
    write_nifti(record, tmp_path / "b.nii")
    before, after = (nibabel.load(tmp_path / name) for name in ("a.nii", "b.nii"))
    assert (after.header["sform_code"], after.header["qform_code"]) == codes
    np.testing.assert_array_equal(after.affine, before.affine)
    np.testing.assert_array_equal(after.header.get_qform(), before.header.get_qform())


@pytest.mark.parametrize(
    ("slope", "inter", "expected"),
    [(2.0, -5.0, 15.0), (0.0, 7.0, 10.0), (0.0, np.nan, 10.0)],
)
def test_a_slope_of_zero_is_none(tmp_path, slope, inter, expected):
    path = made(tmp_path / "a.nii", np.full((3, 2, 2), 10, np.int16))
    content = bytearray(path.read_bytes())
    content[112:120] = np.array([slope, inter], "<f4").tobytes()  # scl_slope, scl_inter
    path.write_bytes(content)
    record = read_nifti(path)
    assert (record.signal == expected).all()
    write_nifti(record, tmp_path / "b.nii")
    after = nibabel.load(tmp_path / "b.nii")
    assert (after.dataobj.slope, after.dataobj.inter) == (1, 0)
    assert (np.asanyarray(after.dataobj) == expected).all()


def test_a_big_endian_file_is_read_and_stays_one(tmp_path):
    image = nibabel.Nifti1Image(np.arange(24, dtype=np.int16).reshape(2, 3, 4), AFFINE)
    nibabel.Nifti1Image(image.dataobj, AFFINE, image.header.as_byteswapped(">")).to_filename(
        tmp_path / "a.nii")  # fmt: skip
    record = read_nifti(tmp_path / "a.nii")
    assert record.signal.flatten().sum() == 276
    write_nifti(record, tmp_path / "b.nii")
    assert nibabel.load(tmp_path / "b.nii").header.endianness == ">"
    assert torch.equal(read_nifti(tmp_path / "b.nii").signal, record.signal)


def test_any_volume_with_a_geometry_is_written_where_it_lies(tmp_path):
    ct_series(tmp_path / "scan", (4, 5, 6))
    scan = read_series(tmp_path / "scan")
    write_nifti(scan, tmp_path / "scan.nii.gz")
    again = read_nifti(tmp_path / "scan.nii.gz")
    assert torch.equal(again.signal, scan.signal)
    assert again.meta["geometry"].close_to(scan.meta["geometry"])
    header = nibabel.load(tmp_path / "scan.nii.gz").header
    assert (header["sform_code"], header["qform_code"]) == (1, 1)
    assert header.get_xyzt_units() == ("mm", "sec")
    np.testing.assert_allclose(header.get_qform(), scan.meta["geometry"].affine, atol=1e-5)


def test_a_changed_geometry_is_written_in_place_of_the_old(tmp_path):
    record = read_nifti(made(tmp_path / "a.nii", np.zeros((6, 5, 4), np.uint8), codes=(4, 0)))
    geometry = record.meta["geometry"].cropped(z=1)
    part = Record(record.signal[:, 1:], "volume", None, {**record.meta, "geometry": geometry})
    write_nifti(part, tmp_path / "b.nii")
    again = read_nifti(tmp_path / "b.nii")
    assert again.signal.shape == (1, 3, 5, 6)
    assert again.meta["geometry"].close_to(geometry)
    assert nibabel.load(tmp_path / "b.nii").header["sform_code"] == 4


def test_the_same_volume_gives_the_same_bytes(tmp_path):
    record = read_nifti(made(tmp_path / "a.nii.gz", np.zeros((6, 5, 4), np.uint8)))
    write_nifti(record, tmp_path / "b.nii.gz")
    write_nifti(record, tmp_path / "c.nii.gz")
    assert (tmp_path / "b.nii.gz").read_bytes() == (tmp_path / "c.nii.gz").read_bytes()
    assert not list(tmp_path.glob("*.partial"))


def flipped(content):
    """One byte of the packed values changed."""
    return content[:2000] + bytes([content[2000] ^ 1]) + content[2001:]


ZEROS, NOISE = np.zeros((9, 9, 9)), np.random.default_rng(0).random((9, 9, 9))


@pytest.mark.parametrize(
    ("name", "values", "change", "words"),
    [
        ("a.nii", ZEROS.reshape(3, 27, 9, 1)[..., [0, 0]], bytes, "it is 3x27x9x2, not one volume"),
        ("a.nii", ZEROS.astype(np.complex64), bytes, "its values are complex64"),
        ("a.nii", ZEROS * np.nan, bytes, "729 of its values are not finite"),
        ("a.nii", ZEROS, lambda b: b[:-500], "Expected 5832 bytes, got 5332"),
        ("a.nii.gz", NOISE, lambda b: b[:-500], "its compressed bytes do not end"),
        ("a.nii.gz", NOISE, flipped, "its compressed bytes are broken"),
        ("a.nii.gz", ZEROS, lambda b: b[9:], "it is no NIfTI in one file"),
        ("a.nii.gz", ZEROS, lambda b: gzip.compress(b"x"), "it is no NIfTI in one file"),
        ("a.nii", ZEROS, lambda b: b[:100], "it is no NIfTI in one file"),
        ("a.nii", ZEROS, lambda b: b"", "it is no NIfTI in one file"),
    ],
)
def test_what_is_no_volume_is_refused_in_one_line(tmp_path, name, values, change, words):
    path = made(tmp_path / name, values)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(ValueError, match=words) as caught:
        read_nifti(path)
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)


def test_a_volume_without_a_place_is_no_nifti(tmp_path):
    with pytest.raises(ValueError, match="no geometry"):
        write_nifti(Record(torch.zeros(1, 2, 3, 4), "volume"), tmp_path / "a.nii")
    record = Record(torch.zeros(3, 4), "volume", meta={"geometry": Geometry(np.eye(4))})
    with pytest.raises(ValueError, match=r"\(1, z, y, x\)"):
        write_nifti(record, tmp_path / "a.nii")
    assert not list(tmp_path.iterdir())


def test_a_std_is_a_volume_too(tmp_path):
    record = read_nifti(made(tmp_path / "a.nii", np.ones((6, 5, 4), np.uint8)))
    write_nifti(replace(record, kind="std"), tmp_path / "std.nii")
    assert torch.equal(read_nifti(tmp_path / "std.nii").signal, record.signal)


def test_the_shared_volumes_come_back(shared_data, tmp_path):
    for path in ("mri/nibabel_anatomical.nii", "ct/niivue_CT_pitch.nii.gz"):
        record = read_nifti(shared_data / path)
        target = tmp_path / f"b{''.join((shared_data / path).suffixes[-2:])}"
        write_nifti(record, target)
        before, after = nibabel.load(shared_data / path), nibabel.load(target)
        np.testing.assert_array_equal(after.affine, before.affine)
        assert after.header["sform_code"] == before.header["sform_code"]
        assert after.header["qform_code"] == before.header["qform_code"]
        assert torch.equal(read_nifti(target).signal, record.signal)
