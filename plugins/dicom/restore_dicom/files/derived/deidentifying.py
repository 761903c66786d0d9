"""A derived object without what names a person: a part of PS3.15, Table E.1-1.

Of the Basic Application Level Confidentiality Profile: people, places, dates, times, free text and
private data go; identifiers (UIDs) become new ones, alike wherever they were alike. What stands in
the pixels stays: BurnedInAnnotation is told, text and faces are not looked for.
"""

import re

from pydicom import Dataset
from pydicom.uid import generate_uid

from .derivation import WARNING

METHOD = "restore --deidentify: people, places, dates, texts, private data; UIDs replaced"
BLANK = {"PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime",
         "StudyID", "AccessionNumber", "ReferringPhysicianName"}  # fmt: skip  # type 2: present
OURS = {"ContentDate", "ContentTime", "InstanceCreationDate", "InstanceCreationTime",
        "ContributionDateTime", "DerivationDescription", "ContributionDescription",
        "ContentDescription", "SeriesNumber", "ContentCreatorName",
        "ContentLabel", "LUTExplanation", "CodeMeaning"}  # fmt: skip  # of this run, or of a code
GONE = re.compile(
    r"Patient(?!Position|Orientation$).*|OtherPatient.*|.*Physician.*|.*Operator.*|Performing.*|"
    r"Requesting.*|Requested.*|Scheduled.*|Institution.*|StationName|.*DeviceUID|"
    r".*Address.*|.*Telephone.*|.*Comments?|.*Description|.*History|Occupation|EthnicGroup|"
    r"MilitaryRank|.*Religious.*|CountryOfResidence|RegionOfResidence|AdmissionID|Admitting.*|"
    r"ProtocolName|IssuerOf.*|MedicalRecordLocator|.*AlertS?|Allergies|ContrastBolusAgent|"
    r"AcquisitionDeviceProcessing.*|TimezoneOffsetFromUTC|GantryID|DetectorID|CassetteID|PlateID|"
    r"RequestAttributesSequence|ReferencedStudySequence|ReferencedPatientSequence|"
    r"OriginalAttributesSequence|FillerOrder.*|PlacerOrder.*|ServiceEpisode.*|SeriesTime|SeriesDate"
)
TIMES = {"DA", "TM", "DT"}
CLASSES = re.compile(r".*(SOPClass|TransferSyntax|CodingScheme|Mapping|ContextGroup).*UID.*")


def deidentified(made: Dataset) -> Dataset:
    """The object itself, changed: every element is looked at, at every depth."""
    made.remove_private_tags()
    _clear(made, top=True)
    made.PatientIdentityRemoved = "YES"
    made.ImageComments = WARNING
    if "DerivationDescription" in made:  # of the source, behind ours
        made.DerivationDescription = made.DerivationDescription.split("; source: ")[0]
    made.DeidentificationMethod = METHOD[:64]
    made.LongitudinalTemporalInformationModified = "REMOVED"
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    return made


def _clear(made: Dataset, *, top: bool) -> None:
    for element in list(made):
        name = element.keyword
        if element.VR == "SQ" and not GONE.fullmatch(name):
            for inner in element.value:
                _clear(inner, top=False)
        elif top and name in BLANK:
            element.value = ""
        elif name in OURS:
            continue
        elif name == "DeviceSerialNumber":  # equipment modules want one
            element.value = "none"
        elif element.VR in TIMES or element.VR == "PN" or GONE.fullmatch(name):
            del made[element.tag]
        elif element.VR == "UI" and not CLASSES.fullmatch(name):
            element.value = _another(element.value)


def _another(value: object) -> object:
    if value is None or isinstance(value, str):
        return generate_uid(entropy_srcs=["restore", value]) if value else value
    return [_another(one) for one in value]
