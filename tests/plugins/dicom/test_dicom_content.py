"""ImageType and its kin tell what a DICOM image shows."""

import numpy as np
import pytest
from dicom_samples import ct, enhanced, mr, save
from restore_dicom.files.dicom.reading import read_dicom

PIXELS = np.zeros((2, 3), np.uint16)
HEAD = ["ORIGINAL", "PRIMARY"]


def content_of(made, tmp_path):
    return read_dicom(save(made, tmp_path / "a.dcm")).meta["content"]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (["P", "ND"], "a phase"),
        (["PHASE MAP", "P", "FFE"], "a phase"),
        (["R_IR"], "a real part"),
        (["I"], "an imaginary part"),
        (["ADC", "NONE"], "a map of diffusion"),
        (["DIFFUSION", "ADC_UNSPECIFIED"], "a map of diffusion"),
        (["T1 MAP", "T1 MAP", "UNSPECIFIED"], "a map of a quantity"),
        (["M", "ND", "NORM"], None),
        (["M_FFE", "M", "FFE"], None),
        (["M", "DIXON", "IN_PHASE"], None),
        (["DIFFUSION", "TRACEW"], None),
        ([], None),
    ],
)
def test_what_an_mr_image_shows_is_told_by_its_type(tmp_path, values, said):
    assert content_of(mr(PIXELS, ImageType=[*HEAD, *values]), tmp_path) == said


def test_enhanced_objects_tell_the_component(tmp_path):
    made = enhanced(np.zeros((2, 2, 3), np.uint16), [(0, 0, 0), (-2.4, 3.2, 0)])
    assert content_of(made, tmp_path) is None
    shared = made.SharedFunctionalGroupsSequence[0]
    shared.MRImageFrameTypeSequence[0].ComplexImageComponent = "PHASE"
    assert content_of(made, tmp_path) == "a phase"


def test_ge_tells_it_by_a_private_number(tmp_path):
    made = mr(PIXELS)
    made.private_block(0x0043, "GEMS_PARM_01", create=True).add_new(0x2F, "SS", 1)
    assert content_of(made, tmp_path) == "a phase"


def test_a_localizer_of_ct_is_a_projection(tmp_path):
    made = ct(np.zeros((2, 3), np.int16), ImageType=[*HEAD, "LOCALIZER"])
    assert content_of(made, tmp_path) == "a localizer, a projection"
    assert content_of(mr(PIXELS, ImageType=[*HEAD, "LOCALIZER"]), tmp_path) is None
