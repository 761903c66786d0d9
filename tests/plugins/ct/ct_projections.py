"""A small folder of DICOM-CT-PD projections, to be read, or to be spoilt and refused."""

from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, ImplicitVRLittleEndian, generate_uid

SLOPE, INTERCEPT = 2e-4, -0.5
VIEWS, ROWS, COLUMNS = 8, 1, 30
GEOMETRY = {
    0x70291010: ("US", ROWS),
    0x70291011: ("US", COLUMNS),
    0x70291002: ("FL", 1.25),
    0x70291006: ("FL", 1.0),
    0x7029100B: ("CS", "CYLINDRICAL"),
    0x70311003: ("FL", 595.0),
    0x70311031: ("FL", 1085.5),
    0x70311033: ("FL", [15.75, 1.0]),
    0x7033100B: ("FL", 0.0),
    0x7033100C: ("FL", 0.0),
    0x7033100D: ("FL", 0.0),
    0x7033100E: ("CS", "FFSNONE"),
    0x70371009: ("CS", "AXIAL"),
    0x70411001: ("DS", "0.0193"),
}


def view(number: int, stored: np.ndarray, geometry: dict, series: str, **private) -> Dataset:
    """One projection, (row, column), stored a column in each row of pixels."""
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, generate_uid()
    dataset.SeriesInstanceUID, dataset.InstanceNumber = series, number
    dataset.Modality = "CT"
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
    dataset.PixelRepresentation = 0
    dataset.Rows, dataset.Columns = stored.T.shape
    dataset.RescaleSlope, dataset.RescaleIntercept = str(SLOPE), str(INTERCEPT)
    for group in sorted({tag >> 16 for tag in geometry}):
        dataset.add_new(group << 16 | 0x10, "LO", "DICOM-CT-PD")
    for tag, (kind, value) in geometry.items():
        dataset.add_new(tag, kind, value)
    dataset.PixelData = np.ascontiguousarray(stored.T, "<u2").tobytes()
    return dataset


def save(dataset: Dataset, path: Path, implicit: bool = False) -> None:
    """Implicit: what a reader without the format's dictionary finds as bytes."""
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    syntax = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.save_as(path, enforce_file_format=True)


def folder(at: Path, *, implicit=False, spoil=None, series=None, rows=ROWS, **changed) -> Path:
    """A scan of VIEWS projections; changed: "t70291010" -> (VR, value), None leaves a tag out.

    spoil: (number, dataset) -> None, to change single views.
    """
    at.mkdir(exist_ok=True)
    uid = series or generate_uid()
    given = {int(name[1:], 16): value for name, value in changed.items()}
    geometry = {tag: value for tag, value in (GEOMETRY | given).items() if value is not None}
    for number in range(VIEWS):
        own = {0x70311001: ("FL", 2 * np.pi * number / VIEWS), 0x70311002: ("FL", 12.5)}
        dataset = view(VIEWS - number, values(number, rows), own | geometry, uid)
        if spoil is not None:
            spoil(number, dataset)
        save(dataset, at / f"{number:02d}.dcm", implicit)
    return at


def values(number: int, rows: int = ROWS) -> np.ndarray:
    """What is stored in a view, (row, column)."""
    return np.random.default_rng(number).integers(0, 2**16, (rows, COLUMNS))
