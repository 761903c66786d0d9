"""Coded concepts, and the items of DICOM sequences that hold them."""

from pydicom import Dataset

RESTORED = ("RESTORED", "99RESTORE", "Restored by sampling from a posterior")  # CID 7203 extended
SOURCE_IMAGE = ("121322", "DCM", "Source image for image processing operation")  # CID 7202
MODIFYING = ("109103", "DCM", "Modifying Equipment")  # CID 7005
STANDARD_DEVIATION = ("386136009", "SCT", "Standard Deviation")
QUANTITY = ("246205007", "SCT", "Quantity")
UNITS = {
    "HU": ("[hnsf'U]", "UCUM", "Hounsfield unit"),
    "1": ("1", "UCUM", "no units"),
    "BQML": ("Bq/ml", "UCUM", "Becquerels/milliliter"),
}


def item(**attributes: object) -> Dataset:
    """A dataset of these attributes, for a sequence."""
    made = Dataset()
    for keyword, value in attributes.items():
        setattr(made, keyword, value)
    return made


def code(concept: tuple[str, str, str]) -> Dataset:
    value, scheme, meaning = concept
    return item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)


def unit(units: str) -> Dataset:
    """UCUM's code; a unit that UCUM's table here does not know is given as it is called."""
    return code(UNITS.get(units, (units[:16], "99RESTORE", units[:64])))
