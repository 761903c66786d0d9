"""A scan that is called what it is not is told what it looks like, and what to do."""

import math

import h5py
import numpy as np
import pytest
import torch
from dicom_template import ct_slice
from restore_ct.files.hdf5 import read_hdf5
from restore_ct.recipes.ct import solve_ct
from restore_ct.recipes.plausible import arc, refuse_other_values
from restore_ct.scan import scan

from restore.errors import RestoreWarning

BINS, VIEWS = 64, 40


def disc(radius=20.0, water=0.0192, **more):
    """Line integrals of a disc of water, 1 mm a bin."""
    s = torch.arange(BINS) - (BINS - 1) / 2
    chords = 2 * water * (radius**2 - s.square()).clamp(min=0).sqrt()
    angles = torch.arange(VIEWS, dtype=torch.float64) * math.pi / VIEWS
    facts = {"angles": angles, "pitch": 1.0, "centre": 0.0, "format": "test", **more}
    return scan(chords.expand(2, VIEWS, BINS).clone(), None, **facts)


def test_line_integrals_are_taken_for_what_they_are():
    noise = 0.05 * torch.randn(2, VIEWS, BINS, generator=torch.Generator().manual_seed(0))
    refuse_other_values(disc())
    refuse_other_values(disc().with_signal(disc().signal + noise))
    refuse_other_values(disc(radius=60.0))  # wider than the detector
    refuse_other_values(disc().with_signal(torch.zeros(2, VIEWS, BINS)))


def test_counts_and_transmissions_are_told():
    arrived = torch.exp(-disc().signal)
    with pytest.raises(ValueError, match=r"look like counts\. Say kind: counts and counts0"):
        solve_ct(disc().with_signal(1e4 * arrived), 0.01)
    with pytest.raises(ValueError, match="the -log of it"):
        solve_ct(disc().with_signal(arrived), 0.01)


def test_the_arc_is_named_and_an_odd_one_warned_of():
    assert arc(disc()) == "40 views over 175.5 degrees"
    assert solve_ct(disc(), 0.01).facts["arc"] == "40 views over 175.5 degrees"
    angles = disc().meta["angles"]
    with pytest.warns(RestoreWarning, match="over 3.063 degrees: are the angles in radians"):
        arc(disc(angles=angles * math.pi / 180))
    with pytest.warns(RestoreWarning, match="are the angles in degrees"):
        arc(disc(angles=angles * 180 / math.pi))


@pytest.mark.parametrize(("unit", "degrees"), [(None, None), ("rad", 165.0), ("degrees", 2.88)])
def test_angles_without_a_unit_that_look_like_radians_are_refused(tmp_path, unit, degrees):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["exchange/data"] = np.full((12, 2, 20), 50.0)
        file["exchange/data_white"] = np.full((3, 2, 20), 100.0)
        file["exchange/theta"] = np.arange(12) * math.pi / 12
        if unit is not None:
            file["exchange/theta"].attrs["units"] = unit
    if unit is None:
        with pytest.raises(ValueError, match=r"a\.h5: .*spans 2\.88.*looks like radians"):
            read_hdf5(path)
    else:
        found = np.degrees(np.ptp(read_hdf5(path).meta["angles"].numpy()))
        assert found == pytest.approx(degrees, rel=1e-3)


def test_an_answer_after_a_template_is_dicom_of_its_patient(tmp_path):
    template = ct_slice(tmp_path / "t.dcm", (BINS, BINS), spacing=1.0)
    one = disc()
    one = one.with_signal(one.signal[:1])
    task = solve_ct(one, 0.01, template=tmp_path / "t.dcm")
    found = task.present(torch.ones(1, 1, BINS, BINS))
    assert task.format == ".dcm" and found.signal.abs().max() == 0  # water
    header = found.meta["dicom"].slices[0].header
    assert header.PatientName == template.PatientName
    assert header.ImagePositionPatient == template.ImagePositionPatient
    several = solve_ct(disc(), 0.01, template=tmp_path / "t.dcm")
    assert several.format == ""
    made = several.frames.finish(several.frames.whole).meta["dicom"]
    assert len(made.slices) == 2


def test_a_template_in_other_units_is_refused_before_sampling(tmp_path):
    ct_slice(tmp_path / "t.dcm", (BINS, BINS), spacing=1.0)
    with pytest.raises(ValueError, match="units are 1/bin"):
        solve_ct(disc(length="bin"), 0.01, template=tmp_path / "t.dcm")
