"""Derived DICOM: patient, place, scaling and padding kept; a new object that says what it is."""

from dataclasses import replace

import numpy as np
import pydicom
import pytest
import torch
from dicom_samples import ct, ct_series, enhanced, mosaic, mr, save
from pydicom.data import get_testdata_file
from pydicom.uid import ExplicitVRLittleEndian, ParametricMapStorage
from restore_dicom.files.derived.writing import write_dicom, write_series
from restore_dicom.files.dicom.reading import read_dicom, without_pixels
from restore_dicom.files.dicom.series import read_series

# Type 1 (never empty) and type 2 (present) attributes: PS3.3 A.3, A.4, A.75 and their modules
PATIENT_STUDY = {
    1: ["StudyInstanceUID", "SeriesInstanceUID", "SOPClassUID", "SOPInstanceUID", "Modality"],
    2: ["PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime",
        "StudyID", "AccessionNumber", "ReferringPhysicianName", "SeriesNumber", "InstanceNumber"],
}  # fmt: skip
PIXELS = {
    1: ["SamplesPerPixel", "PhotometricInterpretation", "Rows", "Columns", "BitsAllocated",
        "BitsStored", "HighBit", "PixelRepresentation", "PixelData", "FrameOfReferenceUID",
        "ImageType", "PixelSpacing", "ImagePositionPatient", "ImageOrientationPatient"],
    2: ["Manufacturer", "PositionReferenceIndicator", "SliceThickness"],
}  # fmt: skip
DEMANDED = {
    "CT": [PATIENT_STUDY, PIXELS,
           {1: ["RescaleSlope", "RescaleIntercept"], 2: ["KVP", "AcquisitionNumber"]}],
    "MR": [PATIENT_STUDY, PIXELS,
           {1: ["ScanningSequence", "SequenceVariant"],
            2: ["ScanOptions", "MRAcquisitionType", "EchoTime", "EchoTrainLength"]}],
    "map": [PATIENT_STUDY,
            {1: ["SeriesNumber", "InstanceNumber", "FrameOfReferenceUID", "Manufacturer",
                 "ManufacturerModelName", "DeviceSerialNumber", "SoftwareVersions", "ImageType",
                 "SamplesPerPixel", "PhotometricInterpretation", "Rows", "Columns",
                 "BitsAllocated", "FloatPixelData", "NumberOfFrames", "ContentDate", "ContentTime",
                 "ContentLabel", "ContentQualification", "BurnedInAnnotation",
                 "RecognizableVisualFeatures", "LossyImageCompression", "PresentationLUTShape",
                 "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
                 "DimensionOrganizationSequence", "DimensionIndexSequence",
                 "ReferencedSeriesSequence"],
             2: ["PositionReferenceIndicator", "ContentDescription", "ContentCreatorName",
                 "AcquisitionContextSequence"]}],
}  # fmt: skip
KEPT = ["StudyInstanceUID", "PatientName", "PatientID", "StudyDate", "AcquisitionDate",
        "FrameOfReferenceUID", "Manufacturer", "ImagePositionPatient", "ImageOrientationPatient",
        "PixelSpacing", "SliceThickness", "InstanceNumber", "BitsStored", "BitsAllocated",
        "PixelRepresentation", "PhotometricInterpretation"]  # fmt: skip
FACTS = {"tool": "restore", "version": "0.1.0", "prior": "mri", "prior_sha256": "ab" * 32,
         "sampler": "dps", "steps": "50", "seed": "7"}  # fmt: skip


def noisy(record, seed=0):
    """The record with its values moved by less than two steps, and what made it told."""
    generator = torch.Generator().manual_seed(seed)
    moved = record.signal + 1.7 * torch.randn(record.signal.shape, generator=generator)
    return replace(record.with_signal(moved), meta={**record.meta, "derivation": FACTS})


def assert_demanded(dataset, kind):
    for table in DEMANDED[kind]:
        for name in table[1] + table[2]:
            assert name in dataset, f"{name} is missing"
        for name in table[1]:
            assert dataset[name].value not in (None, "", []), f"{name} is empty"


def assert_derived(made, source):
    """The checklist of a derived object against the one it was made from."""
    assert made.SOPInstanceUID != source.SOPInstanceUID
    assert made.file_meta.MediaStorageSOPInstanceUID == made.SOPInstanceUID
    assert made.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert made.SeriesInstanceUID != source.SeriesInstanceUID
    assert made.SeriesNumber == source.SeriesNumber + 1000
    assert made.SeriesDescription.endswith("[restored]") and len(made.SeriesDescription) <= 64
    assert made.ImageType[0] == "DERIVED"
    assert "seed 7" in made.DerivationDescription and len(made.DerivationDescription) <= 1024
    assert made.DerivationCodeSequence[0].CodeValue == "RESTORED"
    assert "not for diagnosis" in made.ImageComments
    ours = made.ContributingEquipmentSequence[-1]
    assert ours.PurposeOfReferenceCodeSequence[0].CodeValue == "109103"
    assert made.InstanceCreationDate == made.ContentDate
    for name in KEPT:
        assert (name in made) == (name in source)
        assert name not in source or made[name].value == source[name].value, name


def assert_from(reference, source):
    assert reference.ReferencedSOPInstanceUID == source.SOPInstanceUID
    assert reference.ReferencedSOPClassUID == source.SOPClassUID
    assert reference.PurposeOfReferenceCodeSequence[0].CodeValue == "121322"


@pytest.mark.parametrize(
    "make",
    [
        lambda p: ct(p.astype(np.int16)),
        lambda p: ct(p.astype(np.uint16), RescaleSlope="0.25", BitsStored=12, HighBit=11),
        lambda p: mr(p.astype(np.uint16)),
        lambda p: mr((p // 16).astype(np.uint8), PhotometricInterpretation="MONOCHROME1"),
    ],
)
def test_a_slice_comes_back_within_half_a_step(tmp_path, make):
    pixels = np.random.default_rng(0).integers(100, 3000, (5, 7))
    source = make(pixels)
    record = noisy(read_dicom(save(source, tmp_path / "a.dcm")))
    write_dicom(record, tmp_path / "b.dcm")
    made, again = pydicom.dcmread(tmp_path / "b.dcm"), read_dicom(tmp_path / "b.dcm")
    step = abs(float(source.get("RescaleSlope", 1)))
    assert (again.signal - record.signal).abs().max() <= step / 2 + 1e-3
    assert np.array_equal(again.meta["geometry"].affine, record.meta["geometry"].affine)
    assert_derived(made, source)
    assert_from(made.SourceImageSequence[0], source)
    assert made.ImageType[1] == "SECONDARY" and made.ImageType[2] == source.ImageType[2]
    assert_demanded(made, source.Modality)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("ORIGINAL", ["DERIVED", "SECONDARY", "OTHER"]),
        ("", ["DERIVED", "SECONDARY", "OTHER"]),
        (["ORIGINAL", "PRIMARY"], ["DERIVED", "SECONDARY", "OTHER"]),
        (["ORIGINAL", "PRIMARY", "M", "ND"], ["DERIVED", "SECONDARY", "M", "ND"]),
    ],
)
def test_the_image_type_says_derived_and_keeps_the_rest(tmp_path, before, after):
    source = mr(np.zeros((2, 2), np.uint16), ImageType=before)
    write_dicom(read_dicom(save(source, tmp_path / "a.dcm")), tmp_path / "b.dcm")
    assert pydicom.dcmread(tmp_path / "b.dcm").ImageType == after


def test_values_beyond_the_stored_bits_are_clipped(tmp_path):
    made = ct(np.zeros((1, 3), np.uint16), BitsStored=12, HighBit=11)
    record = read_dicom(save(made, tmp_path / "a.dcm"))
    wild = record.with_signal(torch.tensor([[[[-9000.0, 9000.0, 3.4]]]]))
    write_dicom(wild, tmp_path / "b.dcm")
    assert read_dicom(tmp_path / "b.dcm").signal.flatten().tolist() == [-1024, 3071, 3]


def test_padding_is_written_back_untouched(tmp_path):
    pixels = np.array([[-2000, 7], [100, -2000]], np.int16)
    record = noisy(read_dicom(save(ct(pixels, PixelPaddingValue=-2000), tmp_path / "a.dcm")))
    write_dicom(record, tmp_path / "b.dcm")
    made = pydicom.dcmread(tmp_path / "b.dcm")
    assert made.PixelPaddingValue == -2000
    assert made.pixel_array[0, 0] == made.pixel_array[1, 1] == -2000
    assert torch.equal(read_dicom(tmp_path / "b.dcm").meta["valid"], record.meta["valid"])


def test_what_is_stale_is_gone_and_what_was_lossy_stays_lossy(tmp_path):
    made = mr(np.zeros((4, 4), np.uint16), LossyImageCompression="01", ImageComments="left knee")
    made.SmallestImagePixelValue, made.LargestImagePixelValue = 0, 9
    made.IconImageSequence, made.DigitalSignaturesSequence = [pydicom.Dataset()], []
    made.add_new(0x60003000, "OW", bytes(2))
    private = pydicom.Dataset()
    private.private_block(0x2005, "Philips MR Imaging DD 001", create=True).add_new(0x0E, "FL", 0.5)
    made.private_block(0x2005, "OUTER", create=True).add_new(1, "SQ", [private])
    made.SeriesDescription = "x" * 64
    made.DerivationDescription = "y" * 1024
    record = noisy(read_dicom(save(made, tmp_path / "a.dcm")))
    write_dicom(record, tmp_path / "b.dcm")
    again = pydicom.dcmread(tmp_path / "b.dcm")
    for name in ("SmallestImagePixelValue", "LargestImagePixelValue", "IconImageSequence",
                 "DigitalSignaturesSequence"):  # fmt: skip
        assert name not in again
    assert 0x60003000 not in again
    assert again.LossyImageCompression == "01" and "left knee" in again.ImageComments
    inner = [e.value[0] for e in again if e.VR == "SQ" and e.tag.group == 0x2005]
    assert inner[0][0x2005100E].value == 0.5  # as slope and intercept are the source's
    assert_derived(again, made)


def test_a_lossy_transfer_syntax_is_remembered(tmp_path):
    path = save(mr(np.zeros((4, 4), np.uint16)), tmp_path / "a.dcm")
    record = read_dicom(path)
    header = record.meta["dicom"].slices[0].header
    header.file_meta.TransferSyntaxUID = pydicom.uid.JPEGExtended12Bit
    header.PixelData = bytes(8)
    without_pixels(header)
    write_dicom(record, tmp_path / "b.dcm")
    assert pydicom.dcmread(tmp_path / "b.dcm").LossyImageCompression == "01"


def test_a_series_becomes_a_folder_of_one_new_series(tmp_path):
    ct_series(tmp_path / "scan", (4, 5, 6))
    record = noisy(read_series(tmp_path / "scan"))
    write_series(record, tmp_path / "out")
    again = read_series(tmp_path / "out")
    assert (again.signal - record.signal).abs().max() <= 0.5 + 1e-3
    assert np.array_equal(again.meta["geometry"].affine, record.meta["geometry"].affine)
    names = [f"{n:04d}.dcm" for n in range(1, 5)]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == names
    made = [pydicom.dcmread(tmp_path / "out" / name) for name in names]
    assert len({one.SeriesInstanceUID for one in made}) == 1
    assert len({one.SOPInstanceUID for one in made}) == 4
    for one, source in zip(made, record.meta["dicom"].slices):
        assert_derived(one, source.header)
        assert_from(one.SourceImageSequence[0], source.header)
        assert_demanded(one, "CT")


def test_an_enhanced_object_keeps_its_frames_and_tells_the_origin_of_each(tmp_path):
    positions = [height * np.array([-0.6, 0.8, 0.0]) for height in (9, 3, 6)]
    pixels = np.random.default_rng(0).integers(10, 999, (3, 4, 5)).astype(np.uint16)
    source = enhanced(pixels, positions)
    record = read_dicom(save(source, tmp_path / "a.dcm"))
    write_dicom(replace(record, meta={**record.meta, "derivation": FACTS}), tmp_path / "b.dcm")
    made, again = pydicom.dcmread(tmp_path / "b.dcm"), read_dicom(tmp_path / "b.dcm")
    assert torch.equal(again.signal, record.signal)
    np.testing.assert_array_equal(made.pixel_array, pixels)  # in the file's own order
    assert again.meta["geometry"].close_to(record.meta["geometry"], 1e-9)
    assert made.ImageType[:2] == ["DERIVED", "PRIMARY"]
    shared = made.SharedFunctionalGroupsSequence[0]
    assert shared.MRImageFrameTypeSequence[0].FrameType[0] == "DERIVED"
    for number, frame in enumerate(made.PerFrameFunctionalGroupsSequence, 1):
        origin = frame.DerivationImageSequence[0]
        assert origin.DerivationCodeSequence[0].CodeValue == "RESTORED"
        assert_from(origin.SourceImageSequence[0], source)
        assert origin.SourceImageSequence[0].ReferencedFrameNumber == number
    evidence = made.SourceImageEvidenceSequence[0].ReferencedSeriesSequence[0]
    assert evidence.SeriesInstanceUID == source.SeriesInstanceUID


def test_a_mosaic_is_tiled_again(tmp_path):
    slices = np.random.default_rng(0).integers(0, 900, (5, 4, 6)).astype(np.uint16)
    source = mosaic(slices)
    record = read_dicom(save(source, tmp_path / "a.ima"))
    write_dicom(record, tmp_path / "b.ima")
    before, after = (pydicom.dcmread(tmp_path / name).pixel_array for name in ("a.ima", "b.ima"))
    np.testing.assert_array_equal(after, before)
    assert torch.equal(read_dicom(tmp_path / "b.ima").signal, record.signal)


@pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small_RLE.dcm", "MR_small_bigendian.dcm",
                                  "examples_overlay.dcm", "JPEG2000.dcm"])  # fmt: skip
def test_real_files_become_derived_ones_with_the_same_values(tmp_path, name):
    path = get_testdata_file(name, download=False)
    record = read_dicom(path)
    write_dicom(replace(record, meta={**record.meta, "derivation": FACTS}), tmp_path / "b.dcm")
    again = read_dicom(tmp_path / "b.dcm")
    assert torch.equal(again.signal, record.signal)
    assert_derived(pydicom.dcmread(tmp_path / "b.dcm"), pydicom.dcmread(path))


def std_of(record):
    rng = np.random.default_rng(5)
    signal = torch.from_numpy(rng.random(record.signal.shape, np.float32))
    return replace(record.with_signal(signal), kind="std")


def test_a_std_of_a_series_is_one_parametric_map_at_its_place(tmp_path):
    ct_series(tmp_path / "scan", (4, 5, 6))
    record = std_of(read_series(tmp_path / "scan"))
    write_dicom(record, tmp_path / "std.dcm")
    made = pydicom.dcmread(tmp_path / "std.dcm")
    assert_demanded(made, "map")
    assert made.SOPClassUID == ParametricMapStorage and made.NumberOfFrames == 4
    np.testing.assert_array_equal(made.pixel_array, record.signal[0].numpy())
    shared = made.SharedFunctionalGroupsSequence[0]
    measures = shared.PixelMeasuresSequence[0]
    assert measures.PixelSpacing == [0.5, 0.75] and measures.SliceThickness == 2.5
    mapping = shared.RealWorldValueMappingSequence[0]
    assert mapping.MeasurementUnitsCodeSequence[0].CodeValue == "[hnsf'U]"
    assert (mapping.RealWorldValueSlope, mapping.RealWorldValueIntercept) == (1, 0)
    assert mapping.DoubleFloatRealWorldValueLastValueMapped == record.signal.max()
    for source, frame in zip(record.meta["dicom"].slices, made.PerFrameFunctionalGroupsSequence):
        place = frame.PlanePositionSequence[0].ImagePositionPatient
        assert place == source.header.ImagePositionPatient
        assert_from(frame.DerivationImageSequence[0].SourceImageSequence[0], source.header)
    assert len(made.ReferencedSeriesSequence[0].ReferencedInstanceSequence) == 4


def test_a_std_of_any_layout_is_a_parametric_map(tmp_path):
    pixels = np.zeros((3, 4, 5), np.uint16)
    normal = np.array([-0.6, 0.8, 0.0])
    for made in (enhanced(pixels, [z * normal for z in range(3)]), mosaic(pixels), mr(pixels[0])):
        record = std_of(read_dicom(save(made, tmp_path / "a.dcm")))
        write_dicom(record, tmp_path / "std.dcm")
        again = pydicom.dcmread(tmp_path / "std.dcm")
        assert_demanded(again, "map")
        values = again.pixel_array.reshape(record.signal.shape)
        np.testing.assert_array_equal(values, record.signal.numpy())
        assert again.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence
    record = std_of(read_dicom(save(mr(pixels[0], ImagePositionPatient=None), tmp_path / "a.dcm")))
    write_series(record, tmp_path / "std")
    nowhere = pydicom.dcmread(tmp_path / "std" / "0001.dcm")  # a place of its own, and no other
    position = nowhere.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence[0]
    assert position.ImagePositionPatient == [0, 0, 0]
    assert nowhere.FrameOfReferenceUID != mr(pixels[0]).get("FrameOfReferenceUID")


def test_a_series_is_no_single_file_and_a_source_is_not_written_over(tmp_path):
    ct_series(tmp_path / "scan", (3, 5, 6))
    record = read_series(tmp_path / "scan")
    with pytest.raises(ValueError, match="a series of 3 slices is a folder of files"):
        write_dicom(record, tmp_path / "out.dcm")
    with pytest.raises(FileExistsError, match="holds files already"):
        write_series(record, tmp_path / "scan")
    one = read_dicom(tmp_path / "scan" / "IM0")
    with pytest.raises(ValueError, match="the source itself"):
        write_dicom(one, tmp_path / "scan" / "IM0")


def test_a_volume_of_another_shape_or_origin_is_refused(tmp_path):
    record = read_dicom(save(mr(np.zeros((4, 5), np.uint16)), tmp_path / "a.dcm"))
    with pytest.raises(ValueError, match=r"is 1x4x4, its source 1x4x5.*--template"):
        write_dicom(record.with_signal(torch.zeros(1, 1, 4, 4)), tmp_path / "b.dcm")
    with pytest.raises(ValueError, match="not from DICOM"):
        write_dicom(replace(record, meta={}), tmp_path / "b.dcm")
    with pytest.raises(ValueError, match="not finite"):
        write_dicom(record.with_signal(record.signal * torch.nan), tmp_path / "b.dcm")
    with pytest.raises(ValueError, match=r"a volume is \(1, z, y, x\)"):
        write_dicom(record.with_signal(record.signal[0]), tmp_path / "b.dcm")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.dcm"]


def test_a_failed_write_leaves_nothing(tmp_path, monkeypatch):
    ct_series(tmp_path / "scan", (3, 5, 6))
    record = read_series(tmp_path / "scan")

    def full(file, made, **_):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("restore_dicom.files.derived.writing.dcmwrite", full)
    with pytest.raises(OSError, match="No space left"):
        write_series(record, tmp_path / "out")
    assert [p.name for p in tmp_path.iterdir()] == ["scan"]


def test_the_shared_files_come_back_from_their_own_layout(shared_data, tmp_path):
    paths = ("mri/dcmqa_siemens_mosaic.IMA", "mri/pydicomdata_emri_small_RLE.dcm",
             "ct/pydicomdata_eCT_Supplemental.dcm", "ct/highdicom_dx_image.dcm",
             "mri/nibabel_decimal_rescale.dcm")  # fmt: skip
    for path in paths:
        record = read_dicom(shared_data / path)
        write_dicom(record, tmp_path / "b.dcm")
        again = read_dicom(tmp_path / "b.dcm")
        assert torch.equal(again.signal, record.signal)
        before, after = record.meta["geometry"], again.meta["geometry"]
        assert (before is None and after is None) or after.close_to(before, 1e-9)
    scan = read_series(shared_data / "mri" / "papaya_dicom")
    write_series(scan, tmp_path / "out")
    again = read_series(tmp_path / "out")
    assert torch.equal(again.signal, scan.signal)
    assert np.array_equal(again.meta["geometry"].affine, scan.meta["geometry"].affine)
