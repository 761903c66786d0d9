"""Small DICOM objects made for the tests: slices, series, enhanced objects, a Siemens mosaic."""

import struct
from pathlib import Path

import numpy as np
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    CTImageStorage,
    EnhancedMRImageStorage,
    ExplicitVRLittleEndian,
    MRImageStorage,
    generate_uid,
)

TILTED = [0.8, 0.6, 0.0, 0.0, 0.0, -1.0]  # coronal, turned by 37 degrees


def ct(pixels, *, position=(-20.0, -30.0, 5.0), series="1.2.3.4", **changes) -> Dataset:
    """A CT slice with all that its IOD demands; pixels: (y, x) int16; HU = stored - 1024."""
    made = _image(pixels, CTImageStorage, "CT", series)
    made.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    made.RescaleSlope, made.RescaleIntercept = "1", "-1024"
    made.KVP, made.AcquisitionNumber = "120", 1
    made.ImagePositionPatient, made.ImageOrientationPatient = list(position), [1, 0, 0, 0, 1, 0]
    made.PixelSpacing, made.SliceThickness = ["0.5", "0.75"], "2.5"
    return _changed(made, changes)


def mr(pixels, *, position=(1.0, 2.0, 3.0), series="1.2.3.5", **changes) -> Dataset:
    """An MR slice, oblique."""
    made = _image(pixels, MRImageStorage, "MR", series)
    made.ImageType = ["ORIGINAL", "PRIMARY", "M"]
    made.ScanningSequence, made.SequenceVariant, made.ScanOptions = "SE", "SK", ""
    made.MRAcquisitionType, made.EchoTime, made.EchoTrainLength = "2D", "22", 8
    made.ImagePositionPatient, made.ImageOrientationPatient = list(position), TILTED
    made.PixelSpacing, made.SliceThickness = ["0.9", "1.1"], "4"
    return _changed(made, changes)


def enhanced(pixels, positions) -> Dataset:
    """An Enhanced MR object; pixels: (frames, y, x) uint16; slope 2, 3, ... of frame 0, 1, ..."""
    made = _image(pixels, EnhancedMRImageStorage, "MR", "1.2.3.6")
    made.NumberOfFrames = len(pixels)
    made.ImageType = ["ORIGINAL", "PRIMARY", "T1", "NONE"]
    made.SharedFunctionalGroupsSequence = [
        _item(
            PixelMeasuresSequence=[_item(PixelSpacing=["0.9", "1.1"], SliceThickness="4")],
            PlaneOrientationSequence=[_item(ImageOrientationPatient=TILTED)],
            MRImageFrameTypeSequence=[_item(FrameType=["ORIGINAL", "PRIMARY", "T1", "NONE"])],
        )
    ]
    made.PerFrameFunctionalGroupsSequence = [
        _item(
            PlanePositionSequence=[_item(ImagePositionPatient=[float(p) for p in position])],
            PixelValueTransformationSequence=[
                _item(RescaleSlope=str(2 + i), RescaleIntercept="0.5", RescaleType="US")
            ],
        )
        for i, position in enumerate(positions)
    ]
    return made


def mosaic(slices, *, normal=1.0, private=True) -> Dataset:
    """Siemens' way: slices (count, y, x) uint16 as tiles; private: the CSA header that counts."""
    count, rows, columns = slices.shape
    side = int(np.ceil(np.sqrt(count)))
    picture = np.zeros((side * rows, side * columns), slices.dtype)
    for i, one in enumerate(slices):
        top, left = i // side * rows, i % side * columns
        picture[top : top + rows, left : left + columns] = one
    made = mr(picture, ImageOrientationPatient=[1, 0, 0, 0, 1, 0], SpacingBetweenSlices="5")
    made.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"]
    if private:
        block = made.private_block(0x0029, "SIEMENS CSA HEADER", create=True)
        tags = {"NumberOfImagesInMosaic": [count], "SliceNormalVector": [0, 0, normal]}
        block.add_new(0x10, "OB", csa(tags))
    return made


def csa(tags) -> bytes:
    """A CSA header of version 2."""
    parts = [b"SV10\4\3\2\1", struct.pack("<II", len(tags), 77)]
    for name, values in tags.items():
        parts.append(struct.pack("<64si4siii", name.encode(), 1, b"IS", 6, len(values) + 1, 77))
        for text in [*(str(v).encode() for v in values), b""]:
            parts.append(struct.pack("<4i", len(text), len(text), 77, len(text)))
            parts.append(text + b"\0" * (-len(text) % 4))
    return b"".join(parts)


def save(dataset: Dataset, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
    return path


def ct_series(folder: Path, shape=(4, 5, 6), *, step=2.5, seed=0) -> np.ndarray:
    """Slices in a folder whose names and numbers say nothing of their order; gives the HU."""
    stored = np.random.default_rng(seed).integers(0, 3000, shape).astype(np.int16)
    names = np.random.default_rng(seed + 1).permutation(len(stored))
    for z, pixels in enumerate(stored):
        position = (-20.0, -30.0, 5.0 + step * z)
        made = ct(pixels, position=position, InstanceNumber=int(names[z]) + 1)
        save(made, folder / f"IM{names[z]}")
    return stored - 1024.0


def _image(pixels, sop_class, modality, series) -> Dataset:
    pixels = np.asarray(pixels)
    made = Dataset()
    made.SOPClassUID, made.SOPInstanceUID = sop_class, generate_uid()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.PatientName, made.PatientID = "Test^Phantom", "P1"
    made.PatientBirthDate, made.PatientSex = "", "O"
    made.StudyInstanceUID, made.SeriesInstanceUID = "1.2.3", series
    made.StudyDate, made.StudyTime, made.StudyID = "20200102", "030405", "7"
    made.AccessionNumber, made.ReferringPhysicianName = "", ""
    made.AcquisitionDate = "20200102"
    made.Modality, made.Manufacturer, made.SeriesNumber = modality, "Scanner & Co", 3
    made.SeriesDescription, made.InstanceNumber = "phantom", 1
    made.FrameOfReferenceUID, made.PositionReferenceIndicator = "1.2.3.9", ""
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.Rows, made.Columns = pixels.shape[-2:]
    made.BitsAllocated = made.BitsStored = 8 * pixels.dtype.itemsize
    made.HighBit = made.BitsStored - 1
    made.PixelRepresentation = int(pixels.dtype.kind == "i")
    data = pixels.tobytes()
    made.PixelData = data + b"\0" * (len(data) % 2)
    made["PixelData"].VR = "OW" if pixels.dtype.itemsize == 2 else "OB"
    return made


def _item(**attributes) -> Dataset:
    return _changed(Dataset(), attributes)


def _changed(made: Dataset, changes) -> Dataset:
    for name, value in changes.items():
        if value is None:
            delattr(made, name)
        else:
            setattr(made, name, value)
    return made
