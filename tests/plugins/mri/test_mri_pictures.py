"""What is restored, written in the format of its k-space: values, places and how it was made."""

import h5py
import numpy as np
import pytest
import scipy.io
import torch
from restore_dicom.geometry import Geometry
from restore_mri.files.formats import write_bart, write_hdf5, write_matlab, write_npy, write_npz

from restore.files.by_extension import find
from restore.files.task import Record
from restore.plugins.discovery import catalog

AFFINE = np.array([[-1.5, 0, 0, 20], [0, -2, 0, 30], [0, 0, 4, -8], [0, 0, 0, 1.0]])
GENERATOR = torch.Generator().manual_seed(0)
COMPLEX = torch.randn(1, 3, 7, 5, dtype=torch.complex64, generator=GENERATOR)
MAGNITUDE = COMPLEX.abs()
META = {
    "geometry": Geometry(AFFINE),
    "derivation": {"tool": "restore", "sampler": "dds", "seed": 3},
    "header": b"<ismrmrdHeader/>",
    "attributes": {"acquisition": "AXT2"},
}
VOLUME = Record(MAGNITUDE, "volume", None, META)


def with_meta(record: Record, **more) -> Record:
    return Record(record.signal, record.kind, None, {**record.meta, **more})


def test_hdf5_has_the_layout_of_fastmri_and_says_how_it_was_made(tmp_path):
    samples, std = torch.rand(2, 3, 7, 5), torch.rand(1, 3, 7, 5)
    path = tmp_path / "restored.h5"
    write_hdf5(with_meta(VOLUME, complex=COMPLEX, samples=samples, std=std), path)
    with h5py.File(path) as file:
        assert np.array_equal(file["reconstruction"], MAGNITUDE[0])
        assert np.array_equal(file["reconstruction_complex"], COMPLEX[0])
        assert np.array_equal(file["reconstruction_std"], std[0])
        assert np.array_equal(file["samples"], samples)
        assert file["reconstruction"].dtype == np.float32
        assert file["ismrmrd_header"][()] == META["header"]
        attributes = dict(file.attrs)
    assert attributes["derivation_sampler"] == "dds" and attributes["derivation_seed"] == "3"
    assert "not for diagnosis" in attributes["note"] and attributes["acquisition"] == "AXT2"
    assert np.array_equal(attributes["affine"], AFFINE)
    assert attributes["spacing_mm"].tolist() == [4.0, 2.0, 1.5]
    assert attributes["max"] == MAGNITUDE.max().item()
    assert [p.name for p in tmp_path.iterdir()] == ["restored.h5"]


def test_a_standard_deviation_is_called_one(tmp_path):
    path = tmp_path / "std.h5"
    write_hdf5(Record(MAGNITUDE, "std", None, {**META, "complex": COMPLEX}), path)
    with h5py.File(path) as file:
        assert set(file) == {"reconstruction_std", "ismrmrd_header"}
        assert np.array_equal(file["reconstruction_std"], MAGNITUDE[0])


@pytest.mark.parametrize(
    "record",
    [Record(COMPLEX, "volume"), with_meta(VOLUME, complex=COMPLEX)],
    ids=["signal", "meta"],
)
def test_formats_of_one_array_hold_the_complex_picture(record, tmp_path):
    write_npy(record, tmp_path / "a.npy")
    assert np.array_equal(np.load(tmp_path / "a.npy"), COMPLEX[0])
    write_bart(record, tmp_path / "a.cfl")
    dims = [int(n) for n in (tmp_path / "a.hdr").read_text().splitlines()[1].split()]
    assert dims == [5, 7, *[1] * 11, 3, 1, 1]
    numbers = np.fromfile(tmp_path / "a.cfl", np.complex64).reshape(dims, order="F").squeeze()
    assert np.array_equal(numbers.transpose(2, 1, 0), COMPLEX[0])


def test_formats_of_one_array_hold_magnitudes_where_there_is_no_more(tmp_path):
    write_npy(VOLUME, tmp_path / "a.npy")
    assert np.array_equal(np.load(tmp_path / "a.npy"), MAGNITUDE[0])


def test_archives_hold_all_by_name(tmp_path):
    record = with_meta(VOLUME, complex=COMPLEX, samples=torch.rand(2, 3, 7, 5))
    write_npz(record, tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz") as found:
        assert set(found) == {
            "reconstruction", "reconstruction_complex", "samples", "affine", "spacing_mm",
        }  # fmt: skip
        assert np.array_equal(found["reconstruction_complex"], COMPLEX[0])
    write_matlab(record, tmp_path / "a.mat")
    found = scipy.io.loadmat(tmp_path / "a.mat")
    assert np.array_equal(found["reconstruction"], MAGNITUDE[0].permute(1, 2, 0))
    assert np.array_equal(found["samples"], record.meta["samples"].permute(2, 3, 0, 1))
    assert np.array_equal(found["affine"], AFFINE)


@pytest.mark.parametrize("write", [write_hdf5, write_npy, write_npz, write_matlab, write_bart])
@pytest.mark.parametrize(
    ("record", "said"),
    [
        (Record(MAGNITUDE, "image"), "kind image"),
        (Record(MAGNITUDE[0], "volume"), r"a volume is \(1, slice, y, x\), got 3x7x5"),
        (Record(MAGNITUDE * torch.nan, "std"), "not finite"),
    ],
)
def test_what_is_no_picture_is_refused_and_nothing_left_behind(write, record, said, tmp_path):
    path = tmp_path / "out.cfl"
    with pytest.raises(ValueError, match=said):
        write(record, path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "reader"),
    [
        ("a.h5", "kspace-hdf5"),
        ("a.mrd", "kspace-hdf5"),
        ("a.npy", "kspace-npy"),
        ("a.npz", "kspace-npy"),
        ("a.mat", "kspace-mat"),
        ("a.cfl", "bart"),
    ],
)
def test_a_recipe_of_this_plugin_reads_and_writes_by_it(name, reader, tmp_path):
    from restore.plugins.registry import Entry

    recipe = Entry("recipe", "any", "a:b", "", "mri")
    assert find("readers", tmp_path / name, recipe).name == reader
    writer = find("writers", tmp_path / name, recipe)
    assert writer.plugin == "mri" and writer.facts["std"]
    catalog().load("writers", writer.name)(VOLUME, tmp_path / name)
    assert (tmp_path / name).exists()


def test_its_geometry_goes_into_nifti(tmp_path):
    nibabel = pytest.importorskip("nibabel")
    path = tmp_path / "a.nii.gz"
    catalog().load("writers", "nifti")(Record(MAGNITUDE, "volume", None, META), path)
    image = nibabel.load(path)
    assert np.allclose(image.affine, AFFINE)
    assert np.array_equal(np.asanyarray(image.dataobj), MAGNITUDE[0].permute(2, 1, 0))
