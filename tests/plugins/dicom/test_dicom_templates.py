"""Any volume becomes DICOM after a template: its own place and scale, the template's patient."""

from dataclasses import replace

import numpy as np
import pydicom
import pytest
import torch
from dicom_samples import ct_series, enhanced, mr, save
from restore_dicom.files.derived.writing import write_dicom, write_series
from restore_dicom.files.dicom.reading import read_dicom
from restore_dicom.files.dicom.series import read_series
from restore_dicom.geometry import Geometry
from restore_dicom.templates import like

from restore.files.task import Record


@pytest.fixture
def scan(tmp_path):
    ct_series(tmp_path / "scan", (4, 5, 6))
    return read_series(tmp_path / "scan")


def test_a_volume_of_the_templates_shape_stands_slice_for_slice(scan, tmp_path):
    bare = Record(scan.signal.round() + 3, "volume", meta={"units": "HU"})
    record = like(bare, scan)
    write_series(record, tmp_path / "out")
    again = read_series(tmp_path / "out")
    assert torch.equal(again.signal, bare.signal)
    assert np.array_equal(again.meta["geometry"].affine, scan.meta["geometry"].affine)


def test_a_finer_volume_is_placed_by_its_own_geometry(scan, tmp_path):
    geometry = scan.meta["geometry"].resampled(z=2, y=2)
    finer = scan.signal.repeat_interleave(2, 1).repeat_interleave(2, 2)
    bare = Record(finer, "volume", meta={"units": "HU", "geometry": geometry})
    write_series(like(bare, scan), tmp_path / "out")
    again = read_series(tmp_path / "out")
    assert torch.equal(again.signal, finer)
    assert again.meta["geometry"].close_to(geometry)
    names = {p.name: pydicom.dcmread(p) for p in (tmp_path / "out").iterdir()}
    sources = [s.header.SOPInstanceUID for s in scan.meta["dicom"].slices]
    nearest = [
        sources.index(names[n].SourceImageSequence[0].ReferencedSOPInstanceUID)
        for n in sorted(names)
    ]
    assert nearest == [0, 0, 1, 1, 2, 2, 3, 3]
    assert [names[n].InstanceNumber for n in sorted(names)] == list(range(1, 9))
    assert names["0001.dcm"].PatientID == "P1" and names["0001.dcm"].SliceThickness == 1.25


def test_a_volume_of_another_scale_fills_the_stored_bits(tmp_path):
    made = mr(np.zeros((8, 9), np.uint16))
    made.private_block(0x2005, "Philips MR Imaging DD 001", create=True).add_new(0x0E, "FL", 0.5)
    template = read_dicom(save(made, tmp_path / "a.dcm"))
    values = torch.rand(1, 1, 8, 9, generator=torch.Generator().manual_seed(0)) * 1e-3 - 2e-4
    record = like(Record(values, "volume"), template, fit=True)
    write_dicom(record, tmp_path / "b.dcm")
    again = read_dicom(tmp_path / "b.dcm")
    assert (again.signal - values).abs().max() <= 1e-3 / 65535
    assert again.meta["geometry"].close_to(template.meta["geometry"])
    header = again.meta["dicom"].slices[0].header
    assert (0x2005, 0x100E) not in header  # the scale beside a slope that is no more


def test_a_constant_volume_can_be_fitted(tmp_path):
    template = read_dicom(save(mr(np.zeros((2, 2), np.uint16)), tmp_path / "a.dcm"))
    record = like(Record(torch.full((1, 1, 2, 2), 0.3), "volume"), template, fit=True)
    write_dicom(record, tmp_path / "b.dcm")
    assert read_dicom(tmp_path / "b.dcm").signal.flatten().tolist() == pytest.approx([0.3] * 4)


def test_a_volume_that_does_not_suit_its_template_is_refused(scan, tmp_path):
    larger = torch.zeros(1, 4, 9, 9)
    with pytest.raises(ValueError, match="needs a geometry"):
        like(Record(larger, "volume"), scan)
    with pytest.raises(ValueError, match="units are 1, its DICOM template's HU"):
        like(Record(scan.signal, "volume", meta={"units": "1"}), scan)
    with pytest.raises(ValueError, match="not DICOM"):
        like(scan, replace(scan, meta={}))
    sheared = np.eye(4)
    sheared[0, 2] = 0.5
    with pytest.raises(ValueError, match="sheared"):
        like(Record(larger, "volume", meta={"geometry": Geometry(sheared)}), scan)
    frames = enhanced(np.zeros((2, 3, 3), np.uint16), [(0, 0, 0), (-6, 8, 0)])
    template = read_dicom(save(frames, tmp_path / "frames.dcm"))
    with pytest.raises(ValueError, match="only classic slices serve"):
        like(Record(larger, "volume", meta={"geometry": Geometry(np.eye(4))}), template)
