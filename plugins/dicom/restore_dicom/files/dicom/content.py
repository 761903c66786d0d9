"""What the values of a DICOM image are, where they are no plain picture: a phase, a map.

ImageType's values after the second (PS3.3 C.8.3.1.1.1, C.8.13.1.1 and vendors' own words), the
ComplexImageComponent of Enhanced MR (C.8.13.3.1.1), and GE's private number of the same.
"""

import re

from pydicom import Dataset

from . import frames

WORDS = {  # of ImageType -> what it stands for
    r"P|P_\w+|PHASE|PHASE[ _]MAP|VELOCITY.*": "a phase",
    r"R|R_\w+|REAL": "a real part",
    r"I|I_\w+|IMAGINARY": "an imaginary part",
    r"E?ADC([ _].*)?|FA|(DIFFUSION )?TENSOR.*": "a map of diffusion",
    r".*[ _]MAP|CBF|CBV|MTT|TTP|PDFF": "a map of a quantity",
}
CT_WORDS = {
    "LOCALIZER|SCOUT": "a localizer, a projection",
    r".*[ _]MAP|CBF|CBV|MTT|TTP|EFF_ATOMIC_NUM|IODINE.*|MAT_\w+": "a map of a quantity",
}
COMPONENTS = {
    "PHASE": "a phase",
    "REAL": "a real part",
    "IMAGINARY": "an imaginary part",
    "MIXED": "of mixed parts",
}
GE, GE_CREATOR, GE_ELEMENT = 0x0043, "GEMS_PARM_01", 0x2F
GE_PARTS = {1: "PHASE", 2: "REAL", 3: "IMAGINARY"}


def content(header: Dataset, frame: int = 0) -> str | None:
    """What a slice shows in words, where it is neither a magnitude nor CT's attenuation."""
    words = CT_WORDS if header.get("Modality") == "CT" else WORDS
    kind = frames.group(header, frame, "MRImageFrameTypeSequence")
    for holder in (header, kind):
        component = str(holder.get("ComplexImageComponent") or "").upper()
        if component in COMPONENTS:
            return COMPONENTS[component]
        for value in (*_values(holder.get("ImageType")), *_values(holder.get("FrameType"))):
            for pattern, said in words.items():
                if re.fullmatch(pattern, value):
                    return said
    return COMPONENTS.get(GE_PARTS.get(_ge(header), ""))


def _values(value: object) -> list[str]:
    """The values after the second, in capitals."""
    several = [value] if isinstance(value, str) else list(value or [])
    return [str(one).strip().upper() for one in several[2:]]


def _ge(header: Dataset) -> int | None:
    try:
        return int(header.private_block(GE, GE_CREATOR)[GE_ELEMENT].value)
    except (KeyError, TypeError, ValueError):
        return None
