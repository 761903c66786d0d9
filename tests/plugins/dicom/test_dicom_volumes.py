"""Files of several volumes, folders of several series, and slices that fill no box of voxels."""

import gzip
import zlib

import nibabel
import numpy as np
import pytest
import torch
from dicom_samples import ct, ct_series, save
from restore_dicom.files.derived.writing import write_series
from restore_dicom.files.dicom.series import read_series
from restore_dicom.files.nifti import read_nifti, write_nifti
from restore_dicom.files.volumes import volumes_of

from restore.files.by_extension import reads_whole_folder
from restore.files.runs.inputs import input_files

AFFINE = np.diag([2.0, 3.0, 4.0, 1.0])


def of_many(path, shape=(5, 4, 3, 2, 2), order="<", kind=nibabel.Nifti1Image):
    """A file of int16 with a slope, and what it means."""
    stored = np.random.default_rng(0).integers(0, 999, shape).astype(np.int16)
    image = kind(stored, AFFINE)
    image = kind(stored, AFFINE, image.header.as_byteswapped(order))
    image.header.set_slope_inter(0.5, 7)
    image.header.set_xyzt_units("mm", "sec")
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"kept"))
    image.to_filename(path)
    return np.asanyarray(nibabel.load(path).dataobj)


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
def test_volumes_go_out_one_by_one_and_come_back_as_one_file(tmp_path, name, order, kind):
    values = of_many(tmp_path / name, order=order, kind=kind)
    pieces = volumes_of(tmp_path / name, 2)
    out = tmp_path / "out"
    out.mkdir()
    with pieces.joined(out) as join:
        for record in pieces:
            assert record.signal.shape == (1, 3, 4, 5)
            join(f"restored{name[1:]}", record.with_signal(record.signal + 1))
    before, after = nibabel.load(tmp_path / name), nibabel.load(out / f"restored{name[1:]}")
    assert after.shape == before.shape and after.get_data_dtype().str[1:] == "f4"
    np.testing.assert_allclose(np.asanyarray(after.dataobj), values + 1, atol=1e-3)
    np.testing.assert_array_equal(after.affine, before.affine)
    assert after.header.get_xyzt_units() == ("mm", "sec")
    assert after.header.extensions[0].get_content() == b"kept"
    assert after.header.endianness == before.header.endianness


def test_noise_is_a_share_of_the_brightest_volume(tmp_path):
    values = np.ones((4, 4, 4, 3), np.float32) * [10, 200, 30]
    nibabel.save(nibabel.Nifti1Image(values, AFFINE), tmp_path / "a.nii")
    assert {r.meta["brightest"] for r in volumes_of(tmp_path / "a.nii", 1)} == {200}


def test_one_volume_and_other_files_are_none_of_several(tmp_path):
    nibabel.save(nibabel.Nifti1Image(np.zeros((4, 4, 4, 1)), AFFINE), tmp_path / "a.nii")
    assert volumes_of(tmp_path / "a.nii", 1) is None
    assert volumes_of(tmp_path / "a.png", 1) is None


def test_several_volumes_are_nifti_only(tmp_path):
    of_many(tmp_path / "a.nii")
    assert volumes_of(tmp_path / "a.nii", 1).formats == (".nii", ".nii.gz")


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("name", ["a.mha", "a.mhd"])
def test_metaimage_of_four_axes_goes_out_volume_by_volume(tmp_path, name, packed):
    values = np.random.default_rng(0).integers(0, 999, (2, 3, 4, 5)).astype(">i2")
    data = zlib.compress(values.tobytes()) if packed else values.tobytes()
    head = (
        "ObjectType = Image\nNDims = 4\nBinaryData = True\nBinaryDataByteOrderMSB = True\n"
        f"CompressedData = {packed}\nOffset = 1 2 3 0\nElementSpacing = 2 3 4 1.5\n"
        "DimSize = 5 4 3 2\nComment = kept\nElementType = MET_SHORT\nElementDataFile = "
    )
    local = name.endswith(".mha")
    (tmp_path / name).write_bytes(f"{head}{'LOCAL' if local else 'b.raw'}\n".encode())
    with open(tmp_path / (name if local else "b.raw"), "ab") as file:
        file.write(data)
    pieces = volumes_of(tmp_path / name, 1)
    out = tmp_path / "out"
    out.mkdir()
    with pieces.joined(out) as join:
        for record in pieces:
            assert record.signal.shape == (1, 3, 4, 5)
            assert record.meta["geometry"].spacing == (4, 3, 2)
            join(f"restored{name[1:]}", record.with_signal(record.signal + 1))
    written = [r.signal[0].numpy() for r in volumes_of(out / f"restored{name[1:]}", 1)]
    np.testing.assert_array_equal(np.stack(written), values.astype("f4") + 1)
    text = (out / f"restored{name[1:]}").read_bytes()[:600].decode("latin-1")
    assert "Comment = kept" in text and "ElementSpacing = 2 3 4 1.5" in text
    assert "NDims = 4" in text and "MET_FLOAT" in text


@pytest.mark.parametrize(
    ("position", "said"),
    [((-20, -30, 15.0), "slices are missing"), ((-20, -28, 12.5), "sheared, 2 mm .* 14.9 degrees")],
)
def test_slices_at_uneven_steps_or_sheared_keep_their_own_places(tmp_path, position, said):
    ct_series(tmp_path / "scan", (3, 5, 6))
    last = ct(np.zeros((5, 6), np.int16), position=position, InstanceNumber=9)
    save(last, tmp_path / "scan" / "new.dcm")
    record = read_series(tmp_path / "scan")
    assert record.meta["geometry"] is None and record.signal.shape == (1, 4, 5, 6)
    write_series(record, tmp_path / "out")
    again = read_series(tmp_path / "out")
    assert torch.equal(again.signal, record.signal)
    planes = [[s.plane.position for s in r.meta["dicom"].slices] for r in (record, again)]
    np.testing.assert_allclose(*planes)
    with pytest.raises(ValueError, match=f"no geometry .*{said}"):
        write_nifti(record, tmp_path / "a.nii")


def test_a_tree_of_studies_is_as_many_inputs_as_it_has_series(tmp_path):
    for name in ("a/1", "a/2", "b/deep/3"):
        ct_series(tmp_path / "study" / name)
    (tmp_path / "study" / "DICOMDIR").write_bytes(bytes(128) + b"DICM")
    (tmp_path / "study" / "notes.txt").write_text("not of ours")
    (tmp_path / "study" / "again").symlink_to(tmp_path / "study")
    found = input_files(
        [str(tmp_path / "study")],
        lambda path: path.suffix == ".nii",
        lambda folder: reads_whole_folder(folder, "ct-denoise"),
    )
    assert [p.relative_to(tmp_path / "study").as_posix() for p in found] == [
        "a/1",
        "a/2",
        "b/deep/3",
    ]


def test_what_packs_more_than_it_declares_is_refused(tmp_path):
    nibabel.save(nibabel.Nifti1Image(np.zeros((4, 4, 4)), AFFINE), tmp_path / "a.nii")
    content = (tmp_path / "a.nii").read_bytes() + bytes(1 << 20)
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(content))
    with pytest.raises(ValueError, match=r"a\.nii\.gz: it unpacks to more than"):
        read_nifti(tmp_path / "a.nii.gz")


@pytest.mark.parametrize("slope", [(np.nan, 0.0), (np.inf, 0.0), (1.0, np.nan)])
def test_a_scale_that_is_no_number_is_refused(tmp_path, slope):
    nibabel.save(nibabel.Nifti1Image(np.zeros((4, 4, 4), np.int16), AFFINE), tmp_path / "a.nii")
    content = bytearray((tmp_path / "a.nii").read_bytes())
    content[112:120] = np.array(slope, "<f4").tobytes()
    (tmp_path / "a.nii").write_bytes(content)
    with pytest.raises(ValueError, match="scl_slope"):
        volumes_of(tmp_path / "a.nii", 1)
