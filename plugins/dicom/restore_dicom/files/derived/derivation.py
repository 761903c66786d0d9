"""What makes an object a derived one: new identity, told origin, nothing stale.

After DICOM PS3.3 C.7.6.1.1.2-4 (general image), C.7.5.1 (contributing equipment) and C.12.4.1.
"""

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version

from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    PYDICOM_IMPLEMENTATION_UID,
    UID,
    CTImageStorage,
    EnhancedCTImageStorage,
    EnhancedMRColorImageStorage,
    EnhancedMRImageStorage,
    EnhancedPETImageStorage,
    ExplicitVRLittleEndian,
    LegacyConvertedEnhancedCTImageStorage,
    LegacyConvertedEnhancedMRImageStorage,
    LegacyConvertedEnhancedPETImageStorage,
    MRImageStorage,
    SecondaryCaptureImageStorage,
    generate_uid,
)

from .codes import MODIFYING, RESTORED, SOURCE_IMAGE, code, item

WARNING = "AI-restored, research use, not for diagnosis"
STALE = (
    "IconImageSequence", "SmallestImagePixelValue", "LargestImagePixelValue",
    "SmallestPixelValueInSeries", "LargestPixelValueInSeries", "DigitalSignaturesSequence",
    "MACParametersSequence", "EncryptedAttributesSequence", "PixelDataProviderURL",
    "InstanceCreatorUID", "SourceImageSequence", "DerivationCodeSequence",
)  # fmt: skip
NO_DATA = (0x0000, 0x0002)  # groups that some writers leave in the data set
PRIMARY_ONLY = {  # C.8.16.1 allows their ImageType PRIMARY as its second value
    EnhancedCTImageStorage, EnhancedMRImageStorage, EnhancedMRColorImageStorage,
    EnhancedPETImageStorage, LegacyConvertedEnhancedCTImageStorage,
    LegacyConvertedEnhancedMRImageStorage, LegacyConvertedEnhancedPETImageStorage,
}  # fmt: skip
ORIGINAL_ONLY = (  # what Enhanced MR tells of its pulse sequence, were it not derived (C.8.13)
    "BulkMotionCompensationTechnique", "CoverageOfKSpace", "EchoPlanarPulseSequence",
    "EchoPulseSequence", "GeometryOfKSpaceTraversal", "MRAcquisitionType", "MultiPlanarExcitation",
    "NumberOfKSpaceTrajectories", "OversamplingPhase", "PhaseContrast", "PulseSequenceName",
    "RectilinearPhaseEncodeReordering", "SaturationRecovery", "SegmentedKSpaceTraversal",
    "SpectrallySelectedSuppression", "SteadyStatePulseSequence", "TimeOfFlightContrast",
)  # fmt: skip
LONG, SHORT = 1024, 64  # characters of the value representations ST, LO
# type 2 attributes of the modules that every image has: present, empty where nothing is known
EXPECTED = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime",
    "AccessionNumber", "ReferringPhysicianName", "StudyID", "Manufacturer", "InstanceNumber",
)  # fmt: skip
EXPECTED_OF = {
    CTImageStorage: ("PositionReferenceIndicator", "AcquisitionNumber", "KVP"),
    MRImageStorage: ("PositionReferenceIndicator", "EchoTime", "EchoTrainLength"),
}


@dataclass(frozen=True)
class Derivation:
    """The attributes that one run writes into each object that it makes of one series."""

    description: str
    version: str  # of restore
    series: str  # the new SeriesInstanceUID
    study: str  # StudyInstanceUID of sources that have none
    when: datetime


def derivation(facts: Mapping[str, str] | None) -> Derivation:
    """A new series; facts: record.meta["derivation"] (tool, version, recipe, prior, ...)."""
    facts = {"tool": "restore", "version": _version(), **(facts or {})}
    ours = str(facts["version"])
    text = ", ".join(f"{name} {value}" for name, value in facts.items())
    description = text.encode("ascii", "replace").decode()
    return Derivation(
        description, ours[:SHORT], generate_uid(), generate_uid(), datetime.now().astimezone()
    )


def derive(header: Dataset, how: Derivation, *, sources: Iterable[Dataset]) -> Dataset:
    """A copy of a header, without pixels, that tells it is derived from `sources`."""
    made = copy.deepcopy(header)
    made.SOPClassUID, made.SOPInstanceUID = storage(header), generate_uid()
    made.file_meta = file_meta(made)
    _forget(made)
    _complete(made, how)
    enter_series(made, how, "restored")
    made.ImageType = image_type(header)
    before = str(header.get("DerivationDescription") or "")
    described = how.description + (f"; source: {before}" if before else "")
    made.DerivationDescription = described[:LONG]
    made.DerivationCodeSequence = [code(RESTORED)]
    references = [reference(source) for source in sources if source.get("SOPInstanceUID")]
    if references:
        made.SourceImageSequence = references
    comments = str(header.get("ImageComments") or "")
    made.ImageComments = WARNING + (f"; {comments}" if comments else "")
    contribute(made, how)
    return made


def reference(source: Dataset, frame: int | None = None) -> Dataset:
    """An item of SourceImageSequence: the object, or one frame of it (from 0)."""
    made = item(
        ReferencedSOPClassUID=storage(source),
        ReferencedSOPInstanceUID=source.SOPInstanceUID,
        PurposeOfReferenceCodeSequence=[code(SOURCE_IMAGE)],
    )
    if frame is not None:
        made.ReferencedFrameNumber = frame + 1
    return made


def origin(header: Dataset, how: Derivation, frame: int | None) -> Dataset:
    """An item of DerivationImageSequence: how a frame was made, and from what."""
    made = item(
        DerivationDescription=how.description[:LONG], DerivationCodeSequence=[code(RESTORED)]
    )
    if header.get("SOPInstanceUID"):
        made.SourceImageSequence = [reference(header, frame)]
    return made


def file_meta(dataset: Dataset) -> FileMetaDataset:
    """The file meta information of a new object, uncompressed."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = PYDICOM_IMPLEMENTATION_UID
    return meta


def storage(header: Dataset) -> UID:
    """The SOP class; where the source misses it, that of its modality."""
    meta = getattr(header, "file_meta", None)
    named = header.get("SOPClassUID") or (meta and meta.get("MediaStorageSOPClassUID"))
    known = {"CT": CTImageStorage, "MR": MRImageStorage}
    return UID(named or known.get(header.get("Modality"), SecondaryCaptureImageStorage))


def image_type(header: Dataset) -> list[str]:
    """DERIVED, SECONDARY (made after the examination), and the source's further values.

    Enhanced objects, by their SOP class, say PRIMARY.
    """
    values = several(header.get("ImageType"))
    second = "PRIMARY" if storage(header) in PRIMARY_ONLY else "SECONDARY"
    rest = values[2:] or {"CT": ["AXIAL"], "MR": ["OTHER"]}.get(header.get("Modality"), [])
    return ["DERIVED", second, *rest]


def several(value: object) -> list[str]:
    """The values of an attribute, of which pydicom gives one alone as it is."""
    if value is None or value == "":
        return []
    return [value] if isinstance(value, str) else [str(v) for v in value]


def contribute(made: Dataset, how: Derivation) -> None:
    """Name this software among the equipment, beside the scanner."""
    ours = item(
        Manufacturer="restore",
        ManufacturerModelName="restore",
        SoftwareVersions=how.version,
        ContributionDateTime=how.when.strftime("%Y%m%d%H%M%S"),
        ContributionDescription=how.description[:LONG],
        PurposeOfReferenceCodeSequence=[code(MODIFYING)],
    )
    before = list(made.get("ContributingEquipmentSequence") or [])
    made.ContributingEquipmentSequence = [*before, ours]


def enter_series(made: Dataset, how: Derivation, what: str) -> None:
    """The new series, its number and description after the source's, and today's dates."""
    day, time = how.when.strftime("%Y%m%d"), how.when.strftime("%H%M%S")
    mark = f" [{what}]"
    made.SeriesInstanceUID = how.series
    made.SeriesNumber = int(made.get("SeriesNumber") or 0) + 1000
    made.SeriesDescription = str(made.get("SeriesDescription") or "")[: SHORT - len(mark)] + mark
    made.SeriesDescription = made.SeriesDescription.strip()
    for name in ("InstanceCreation", "Content", "Series"):
        setattr(made, f"{name}Date", day)
        setattr(made, f"{name}Time", time)


def _forget(made: Dataset) -> None:
    """Drop what the new pixels make untrue."""
    original_only = ORIGINAL_ONLY if made.SOPClassUID == EnhancedMRImageStorage else ()
    for name in (*STALE, *original_only):
        if name in made:
            delattr(made, name)
    for element in list(made):
        group = element.tag.group
        if 0x6000 <= group <= 0x60FF or group in NO_DATA:  # overlays; commands, file meta
            del made[element.tag]


def _complete(made: Dataset, how: Derivation) -> None:
    for name in (*EXPECTED, *EXPECTED_OF.get(made.SOPClassUID, ())):
        wanted = name != "Manufacturer" or made.SOPClassUID not in PRIMARY_ONLY  # never empty there
        if name not in made and wanted:
            setattr(made, name, None)
    if not made.get("StudyInstanceUID"):
        made.StudyInstanceUID = how.study


def _version() -> str:
    try:
        return version("restore-toolbox")
    except PackageNotFoundError:
        return "unknown"
