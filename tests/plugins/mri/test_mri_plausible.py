"""What is no k-space is told what it looks like; and answers after a DICOM template."""

from pathlib import Path

import numpy as np
import pydicom.data
import pytest
import torch
from mri_scan import coils, picture, transform
from restore_dicom.files.derived.writing import write_dicom
from restore_dicom.files.dicom.reading import read_dicom
from restore_mri.files.formats import read_numpy
from restore_mri.recipes.mri import solve_mri

SIZE = (48, 44)


def kspace(seed=0):
    maps = coils(4, *SIZE)
    return transform(maps * picture(*SIZE, seed=seed)).astype(np.complex64)


def saved(path, array):
    np.save(path, array.astype(np.complex64))
    return path


def test_complex_images_are_told_from_k_space(tmp_path):
    image = coils(4, *SIZE) * picture(*SIZE, seed=0)
    with pytest.raises(ValueError, match=r"looks like complex images.*numpy\.fft\.fft2"):
        read_numpy(saved(tmp_path / "a.npy", image))
    assert read_numpy(saved(tmp_path / "a.npy", kspace())).kind == "kspace"


@pytest.mark.parametrize("every", [2, 4])
def test_undersampled_k_space_is_none_of_images(tmp_path, every):
    samples = kspace()
    samples[..., np.arange(SIZE[1]) % every != 0] = 0
    assert read_numpy(saved(tmp_path / "a.npy", samples)).kind == "kspace"


def test_a_spike_is_placed(tmp_path):
    samples = np.stack([kspace(), kspace(1)])
    samples[1, 2, 7, 9] = 50 * np.abs(samples).max()
    with pytest.raises(ValueError, match="slice 1, coil 2, row 7, column 9: it looks like a spike"):
        read_numpy(saved(tmp_path / "a.npy", samples))
    samples[1, :, 7, 9] = 0
    assert read_numpy(saved(tmp_path / "a.npy", samples)).kind == "kspace"


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_a_mask_of_no_numbers_is_refused(tmp_path, broken):
    mask = np.ones(SIZE)
    mask[0, 0] = broken
    np.savez(tmp_path / "a.npz", kspace=kspace(), mask=mask)
    with pytest.raises(ValueError, match=r"a\.npz: its mask holds values that are not finite"):
        read_numpy(tmp_path / "a.npz")


@pytest.fixture
def template(tmp_path):
    """A slice of the size of the scan."""
    made = pydicom.dcmread(pydicom.data.get_testdata_file("MR_small.dcm", download=False))
    made.Rows, made.Columns = SIZE
    made.PixelData = np.zeros(SIZE, np.int16).tobytes()
    made.save_as(tmp_path / "t.dcm")
    return tmp_path / "t.dcm", made


def test_an_answer_after_a_template_is_a_magnitude_of_its_patient(tmp_path, template):
    path, before = template
    record = read_numpy(saved(tmp_path / "a.npy", kspace()))
    task = solve_mri(record, 0.01, template=path)
    assert task.format == ".dcm"
    plain = solve_mri(record, 0.01).present(
        task.measurement.operator.adjoint(task.measurement.y)[0]
    )
    found = task.present(task.measurement.operator.adjoint(task.measurement.y)[0])
    assert torch.equal(found.signal, plain.signal)  # complex, as comparisons need it
    write_dicom(found, tmp_path / "out.dcm")
    again = read_dicom(tmp_path / "out.dcm")
    limits = again.meta["dicom"].slices[0].encoding.limits
    step = plain.signal.abs().max() / (limits[1] - limits[0])
    assert (again.signal - plain.signal.abs()).abs().max() < step
    after = pydicom.dcmread(tmp_path / "out.dcm")
    assert after.PatientName == before.PatientName and after.ImageType[0] == "DERIVED"
    assert after.ImagePositionPatient == before.ImagePositionPatient


def test_a_template_that_does_not_fit_is_refused_before_sampling(tmp_path, template):
    small = pydicom.data.get_testdata_file("MR_small.dcm", download=False)
    record = read_numpy(saved(tmp_path / "a.npy", kspace()))
    with pytest.raises(ValueError, match="another shape than its DICOM template"):
        solve_mri(record, 0.01, template=Path(small))
    wrong = pydicom.data.get_testdata_file("CT_small.dcm", download=False)
    with pytest.raises(ValueError, match="modality CT"):
        solve_mri(record, 0.01, template=Path(wrong))
