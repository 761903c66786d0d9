"""A posterior standard deviation as a Parametric Map: float pixels with units and a place.

DICOM PS3.3 A.75 (Parametric Map IOD), C.8.32 and C.7.6.16 (its functional groups).
"""

from collections.abc import Sequence

import numpy as np
from pydicom import Dataset
from pydicom.uid import ParametricMapStorage, generate_uid
from pydicom.valuerep import DSfloat

from restore.files.task import Record

from ...geometry import Geometry
from ..dicom.source import FRAMES, Slice, Source
from .codes import QUANTITY, STANDARD_DEVIATION, code, item, unit
from .derivation import WARNING, Derivation, contribute, enter_series, file_meta, origin, reference

KEPT = (  # the patient, the study and the frame of reference
    "SpecificCharacterSet", "PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate",
    "PatientSex", "PatientAge", "PatientSize", "PatientWeight", "PatientIdentityRemoved",
    "DeidentificationMethod", "DeidentificationMethodCodeSequence", "StudyInstanceUID",
    "StudyDate", "StudyTime", "StudyID", "AccessionNumber", "ReferringPhysicianName",
    "StudyDescription", "Modality", "SeriesNumber", "SeriesDescription", "BodyPartExamined",
    "PatientPosition", "ProtocolName", "FrameOfReferenceUID", "PositionReferenceIndicator",
    "InstitutionName", "TimezoneOffsetFromUTC", "Laterality",
)  # fmt: skip
UPRIGHT = (1, 0, 0, 0, 1, 0)  # direction cosines of rows and columns
PASSED_ON = {  # what the pixels bring with them -> the word for nothing of it
    "BurnedInAnnotation": "NO", "RecognizableVisualFeatures": "NO", "LossyImageCompression": "00",
}  # fmt: skip
KNOWN_EMPTY = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime",
    "StudyID", "AccessionNumber", "ReferringPhysicianName", "PositionReferenceIndicator",
)  # fmt: skip


def parametric_map(record: Record, values: np.ndarray, source: Source, how: Derivation) -> Dataset:
    """One multi-frame object; values: (z, y, x) float32, in the units of the record's signal."""
    made = map_without_pixels(record, values.shape, (values.min(), values.max()), source, how)
    made.FloatPixelData = values.astype("<f4").tobytes()
    made["FloatPixelData"].VR = "OF"
    return made


def map_without_pixels(
    record: Record,
    shape: Sequence[int],
    extent: tuple[float, float],
    source: Source,
    how: Derivation,
) -> Dataset:
    """The object without its FloatPixelData; extent: the least and the greatest value.

    Frames whose place is not known, as in ultrasound, stand one unit apart in a frame of reference
    of their own: the object must say a place, and this one says no more than their order.
    """
    made = _identity(source.slices[0].header, how)
    if source.slices[0].plane is None:
        made.FrameOfReferenceUID, made.PositionReferenceIndicator = generate_uid(), None
    _tell_what_pixels_went_through(made, source.slices)
    units = str(record.meta.get("units") or "1")
    made.NumberOfFrames, made.Rows, made.Columns = shape
    made.SharedFunctionalGroupsSequence = [_shared(record, extent, units, source)]
    frames = [_frame(source, z, how) for z in range(shape[0])]
    made.PerFrameFunctionalGroupsSequence = frames
    dimension = generate_uid()
    made.DimensionOrganizationSequence = [item(DimensionOrganizationUID=dimension)]
    made.DimensionIndexSequence = [
        item(
            DimensionOrganizationUID=dimension,
            DimensionIndexPointer=0x00209057,  # InStackPositionNumber
            FunctionalGroupPointer=0x00209111,  # FrameContentSequence
        )
    ]
    made.ReferencedSeriesSequence = _referenced(source.slices)
    contribute(made, how)
    made.file_meta = file_meta(made)
    return made


def _identity(header: Dataset, how: Derivation) -> Dataset:
    """All that does not depend on the pixels."""
    made = item(
        SOPClassUID=ParametricMapStorage,
        SOPInstanceUID=generate_uid(),
        Manufacturer="restore",
        ManufacturerModelName="restore",
        DeviceSerialNumber="none",
        SoftwareVersions=how.version,
        InstanceNumber=1,
        ContentLabel="POSTERIOR_STD",
        ContentDescription="Posterior standard deviation",
        ContentCreatorName="",
        ContentQualification="RESEARCH",
        ImageType=["DERIVED", "PRIMARY", "VOLUME", "QUANTITY"],
        PixelPresentation="MONOCHROME",
        ImageComments=WARNING,
        AcquisitionContextSequence=[],
        SamplesPerPixel=1,
        PhotometricInterpretation="MONOCHROME2",
        PresentationLUTShape="IDENTITY",
        BitsAllocated=32,
    )
    for name in KEPT:
        if name in header:
            made[name] = header[name]
    for name in KNOWN_EMPTY:
        if name not in made:
            setattr(made, name, None)
    if "Laterality" not in made and "BodyPartExamined" not in made:  # it may be one of a pair
        made.Laterality = None
    if not made.get("FrameOfReferenceUID"):
        made.FrameOfReferenceUID = generate_uid()
    if not made.get("StudyInstanceUID"):
        made.StudyInstanceUID = how.study
    made.Modality = made.get("Modality") or "OT"
    enter_series(made, how, "posterior std")
    return made


def _tell_what_pixels_went_through(made: Dataset, slices: Sequence[Slice]) -> None:
    """Burned-in text, recognizable faces and lossy compression, where any slice has them."""
    headers = [original.header for original in slices]
    for name, none in PASSED_ON.items():
        said = [str(header.get(name) or none) for header in headers]
        setattr(made, name, next((value for value in said if value != none), none))
    lossy = [header for header in headers if header.get("LossyImageCompression") == "01"]
    for name in ("LossyImageCompressionRatio", "LossyImageCompressionMethod"):
        if lossy and name in lossy[0]:
            made[name] = lossy[0][name]


def _shared(record: Record, extent: tuple[float, float], units: str, source: Source) -> Dataset:
    geometry = record.meta.get("geometry")
    group = item(
        PixelMeasuresSequence=[_measures(geometry, source.slices[0])],
        ParametricMapFrameTypeSequence=[
            item(FrameType=["DERIVED", "PRIMARY", "VOLUME", "QUANTITY"])
        ],
        PixelValueTransformationSequence=[
            item(RescaleIntercept="0", RescaleSlope="1", RescaleType="US")
        ],
        RealWorldValueMappingSequence=[
            item(
                LUTExplanation="Posterior standard deviation",
                LUTLabel="STD",
                DoubleFloatRealWorldValueFirstValueMapped=float(extent[0]),
                DoubleFloatRealWorldValueLastValueMapped=float(extent[1]),
                RealWorldValueIntercept=0.0,
                RealWorldValueSlope=1.0,
                MeasurementUnitsCodeSequence=[unit(units)],
                QuantityDefinitionSequence=[
                    item(
                        ValueType="CODE",
                        ConceptNameCodeSequence=[code(QUANTITY)],
                        ConceptCodeSequence=[code(STANDARD_DEVIATION)],
                    )
                ],
            )
        ],
    )
    plane = source.slices[0].plane
    turn = decimals(UPRIGHT if plane is None else plane.orientation)
    group.PlaneOrientationSequence = [item(ImageOrientationPatient=turn)]
    return group


def _measures(geometry: Geometry | None, first: Slice) -> Dataset:
    if geometry is None:
        spacing = first.header.get("PixelSpacing") or first.header.get("ImagerPixelSpacing")
        return item(PixelSpacing=spacing) if spacing else Dataset()
    step = DSfloat(geometry.spacing[0], auto_format=True)
    inside = decimals(first.plane.spacing if first.plane else geometry.spacing[1:])
    return item(PixelSpacing=inside, SliceThickness=step, SpacingBetweenSlices=step)


def _frame(source: Source, z: int, how: Derivation) -> Dataset:
    """A frame's functional groups: its place, and the slice it was made from."""
    original = source.slices[z]
    content = item(StackID="1", InStackPositionNumber=z + 1, DimensionIndexValues=[z + 1])
    frame = original.frame if source.layout == FRAMES else None
    position = (0, 0, z) if original.plane is None else original.plane.position
    return item(
        FrameContentSequence=[content],
        DerivationImageSequence=[origin(original.header, how, frame)],
        PlanePositionSequence=[item(ImagePositionPatient=decimals(position))],
    )


def _referenced(slices: Sequence[Slice]) -> list[Dataset]:
    """The source objects by series (Common Instance Reference)."""
    series: dict[str, dict[str, Dataset]] = {}
    for original in slices:
        header = original.header
        if header.get("SOPInstanceUID") and header.get("SeriesInstanceUID"):
            named = reference(header)
            del named.PurposeOfReferenceCodeSequence
            series.setdefault(header.SeriesInstanceUID, {})[header.SOPInstanceUID] = named
    return [
        item(SeriesInstanceUID=uid, ReferencedInstanceSequence=list(objects.values()))
        for uid, objects in series.items()
    ]


def decimals(values: Sequence[float]) -> list[DSfloat]:
    """Decimal strings of at most 16 characters."""
    return [DSfloat(float(value), auto_format=True) for value in values]
