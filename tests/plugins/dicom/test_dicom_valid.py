"""What is written has no error by dciodvfy (Debian: dicom3tools) that its source has not."""

import shutil
import subprocess

import numpy as np
import pydicom
import pytest
import torch
from dicom_samples import ct, ct_series, enhanced, mosaic, mr, save
from pydicom.data import get_testdata_file
from restore_dicom.files.derived.writing import write_dicom, write_series
from restore_dicom.files.dicom.reading import read_dicom
from restore_dicom.files.dicom.series import read_series

from restore.files.task import Record

PROGRAM = shutil.which("dciodvfy")
needed = pytest.mark.skipif(PROGRAM is None, reason="dciodvfy (dicom3tools) is not here")
# the IOD knows NO only, but a map of pixels that have text in them must not say so
TRUE_ALL_THE_SAME = {
    "Error - Unrecognized enumerated value <YES> for value 1 of attribute <Burned In Annotation>"
}
PIXELS = np.random.default_rng(0).integers(0, 900, (2, 16, 16)).astype(np.uint16)


def errors(path):
    """The program's errors, without the numbers of what they were found in."""
    done = subprocess.run([PROGRAM, path], capture_output=True, text=True, check=False)
    lines = (done.stdout + done.stderr).splitlines()
    return {line for line in lines if line.startswith("Error")}


def deviation(record):
    generator = torch.Generator().manual_seed(0)
    values = torch.rand(record.signal.shape, generator=generator)
    return Record(values, "std", record.source, record.meta)


def burned_in():
    made = ct(PIXELS[0].astype(np.int16), BurnedInAnnotation="YES", LossyImageCompression="01")
    made.LossyImageCompressionRatio, made.LossyImageCompressionMethod = "10", "ISO_10918_1"
    return made


def pulse_sequence():
    made = enhanced(PIXELS, [(0, 0, 0), (-2.4, 3.2, 0)])
    made.PulseSequenceName, made.MRAcquisitionType, made.PhaseContrast = "SE", "2D", "NO"
    made.BodyPartExamined = "BRAIN"
    del made.Manufacturer
    return made


KINDS = {
    "ct": lambda: ct(PIXELS[0].astype(np.int16)),
    "mr": lambda: mr(PIXELS[0]),
    "monochrome1": lambda: mr(PIXELS[0], PhotometricInterpretation="MONOCHROME1"),
    "mosaic": lambda: mosaic(PIXELS),
    "enhanced": lambda: enhanced(PIXELS, [(0, 0, 0), (-2.4, 3.2, 0)]),
    "shipped ct": lambda: pydicom.dcmread(get_testdata_file("CT_small.dcm", download=False)),
    "shipped mr": lambda: pydicom.dcmread(get_testdata_file("MR_small.dcm", download=False)),
    "burned in": burned_in,
    "enhanced pulse sequence": pulse_sequence,
}


@needed
@pytest.mark.parametrize("deidentify", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_derived_object_has_no_error_of_its_own(tmp_path, kind, deidentify):
    path = save(KINDS[kind](), tmp_path / "a.dcm")
    record = read_dicom(path)
    record.meta["deidentify"] = deidentify
    write_dicom(record, tmp_path / "b.dcm")
    assert errors(tmp_path / "b.dcm") <= errors(path)


@needed
@pytest.mark.parametrize("deidentify", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_standard_deviation_has_no_error_at_all(tmp_path, kind, deidentify):
    record = read_dicom(save(KINDS[kind](), tmp_path / "a.dcm"))
    record.meta["deidentify"] = deidentify
    write_dicom(deviation(record), tmp_path / "std.dcm")
    allowed = TRUE_ALL_THE_SAME if kind == "burned in" else set()
    assert errors(tmp_path / "std.dcm") == allowed


@needed
def test_a_series_and_its_standard_deviation_have_none(tmp_path):
    ct_series(tmp_path / "scan", (3, 16, 16))
    record = read_series(tmp_path / "scan")
    write_series(record, tmp_path / "out")
    write_series(deviation(record), tmp_path / "std")
    before = set().union(*(errors(path) for path in (tmp_path / "scan").iterdir()))
    assert set().union(*(errors(path) for path in (tmp_path / "out").iterdir())) <= before
    assert set().union(*(errors(path) for path in (tmp_path / "std").iterdir())) == set()


def test_a_standard_deviation_says_of_its_pixels_what_the_source_says(tmp_path):
    record = read_dicom(save(burned_in(), tmp_path / "a.dcm"))
    write_dicom(deviation(record), tmp_path / "std.dcm")
    made = pydicom.dcmread(tmp_path / "std.dcm")
    assert made.BurnedInAnnotation == "YES" and made.LossyImageCompression == "01"
    assert made.LossyImageCompressionRatio == 10
    assert made.LossyImageCompressionMethod == "ISO_10918_1"


def test_enhanced_objects_are_primary_by_their_class(tmp_path):
    made = enhanced(PIXELS, [(0, 0, 0), (-2.4, 3.2, 0)])
    del made.SharedFunctionalGroupsSequence, made.PerFrameFunctionalGroupsSequence
    write_dicom(read_dicom(save(made, tmp_path / "a.dcm")), tmp_path / "b.dcm")
    assert pydicom.dcmread(tmp_path / "b.dcm").ImageType[:2] == ["DERIVED", "PRIMARY"]


def test_nobody_is_named_where_that_is_asked_for(tmp_path):
    made = ct(PIXELS[0].astype(np.int16), InstitutionName="Hospital", PatientComments="tall")
    made.PerformingPhysicianName, made.OperatorsName = "Dr^Who", "Op^Erator"
    made.private_block(0x0009, "SOMEONE", create=True).add_new(1, "LO", "Phantom")
    made.DerivationDescription = "by Dr Who"
    made.ReferencedImageSequence = [pydicom.Dataset()]
    made.ReferencedImageSequence[0].ReferencedSOPInstanceUID = "1.2.3.77"
    record = read_dicom(save(made, tmp_path / "a.dcm"))
    record.meta["deidentify"] = True
    for one, name in ((record, "b.dcm"), (deviation(record), "std.dcm")):
        write_dicom(one, tmp_path / name)
        content = (tmp_path / name).read_bytes()
        for word in (b"Phantom", b"P1", b"Hospital", b"tall", b"Who", b"Erator", b"20200102",
                     b"1.2.3.77", b"1.2.3.4\0"):  # fmt: skip
            assert word not in content, (name, word)
        after = pydicom.dcmread(tmp_path / name)
        assert after.PatientIdentityRemoved == "YES" and after.PatientName == ""
        assert "not for diagnosis" in after.ImageComments
    studies = {pydicom.dcmread(tmp_path / n).StudyInstanceUID for n in ("b.dcm", "std.dcm")}
    assert len(studies) == 1 and "1.2.3" not in studies
