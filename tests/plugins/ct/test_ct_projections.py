"""DICOM-CT-PD: an axial scan becomes a fan beam; what is no fan is refused with the reason."""

import ct_projections as made
import numpy as np
import pytest
import torch
from pydicom.uid import generate_uid
from restore_ct import physics
from restore_ct.files.projections import read_projections
from restore_ct.operators import projector


@pytest.mark.parametrize("implicit", [False, True])
@pytest.mark.parametrize(("shape", "beam"), [("CYLINDRICAL", "fan-curved"), ("FLAT", "fan-flat")])
def test_an_axial_scan_is_a_fan(tmp_path, implicit, shape, beam):
    folder = made.folder(tmp_path / "scan", implicit=implicit, t7029100b=("CS", shape))
    (tmp_path / "scan" / "LICENSE").write_text("not DICOM")
    record = read_projections(folder)
    assert record.kind == "sinogram" and record.signal.shape == (1, made.VIEWS, made.COLUMNS)
    stored = np.stack([made.values(number)[0] for number in reversed(range(made.VIEWS))])
    expected = stored * made.SLOPE + made.INTERCEPT  # in the order of the instance numbers
    np.testing.assert_allclose(record.signal[0], expected, atol=1e-6)
    meta = record.meta
    assert meta["beam"] == beam and meta["pitch"] == 1.25
    assert meta["source_radius"] == 595 and meta["detector_radius"] == 1085.5 - 595
    assert meta["mu_water"] == 0.0193 and meta["weights"] is None
    steps = np.diff(meta["angles"])
    np.testing.assert_allclose(steps, 2 * np.pi / made.VIEWS, atol=1e-6)


@pytest.mark.parametrize("shape", ["CYLINDRICAL", "FLAT"])
def test_points_cast_their_shadow_where_the_format_says(tmp_path, shape):
    record = read_projections(made.folder(tmp_path / "scan", t7029100b=("CS", shape)))
    fan = projector(record)
    point = np.array([5.0, -3.0])  # mm to the right and up, in the picture
    shadow = fan.shadow(slice(None), *torch.tensor(point)[:, None])[:, 0]
    for view in range(made.VIEWS):
        phi = 2 * np.pi * (made.VIEWS - 1 - view) / made.VIEWS  # the last is number one
        source = 595.0 * np.array([-np.sin(phi), np.cos(phi)])
        along = np.array([np.cos(phi), np.sin(phi)])
        ray = point * [-1, 1] - source  # the format's x points to the left
        aside, ahead = ray @ along, ray @ -source / 595.0
        reached = np.arctan2(aside, ahead) if shape == "CYLINDRICAL" else aside / ahead
        column = 15.75 + 1085.5 * reached / 1.25  # counted from 1
        assert shadow[view].item() == pytest.approx(column - 1, abs=1e-4)


def test_the_central_ray_goes_through_the_axis(tmp_path):
    record = read_projections(made.folder(tmp_path / "scan"))
    bins = np.arange(made.COLUMNS)
    s = (bins - (made.COLUMNS - 1) / 2) * record.meta["pitch"] + record.meta["offset"]
    # element 15.75, counted from 1: a quarter of the way from the 15th bin, counted from 0, back
    assert np.interp(14.75, bins, s) == pytest.approx(0, abs=1e-6)
    assert record.meta["offset"] == pytest.approx(-0.25 * 1.25)


def test_photons_of_the_columns_are_weights(tmp_path):
    photons = np.linspace(500, 900, made.COLUMNS).astype(np.float32)
    folder = made.folder(tmp_path / "scan", t70331065=("FL", photons.tolist()))
    record = read_projections(folder)
    expected = torch.from_numpy(photons) * torch.exp(-record.signal)
    torch.testing.assert_close(record.meta["weights"], physics.weights(expected))
    assert any("photons" in sentence for sentence in record.meta["converted"])


def test_of_many_rows_those_near_the_plane_are_used(tmp_path):
    folder = made.folder(
        tmp_path / "scan", rows=64, t70291010=("US", 64), t70311033=("FL", [15.75, 32.5])
    )
    record = read_projections(folder)
    used = record.meta["rows"]
    # half the fan is 15 * 1.25 mm at 1085.5 mm: a row leaves by z sin(0.0173)
    assert used == tuple(np.flatnonzero(np.abs(np.arange(64) - 31.5) * np.sin(0.0173) <= 0.5))
    assert 1 < len(used) < 64 and len(record.signal) == len(used)
    stored = made.values(made.VIEWS - 1, 64)[list(used)]
    np.testing.assert_allclose(record.signal[:, 0], stored * made.SLOPE + made.INTERCEPT, atol=1e-6)
    assert any(f"{len(used)} of 64" in sentence for sentence in record.meta["converted"])


def moving(number, dataset):
    dataset[0x70311002].value = 3.0 * number


def unscaled(number, dataset):
    if number == 3:
        del dataset.RescaleSlope


def another_series(number, dataset):
    if number == 3:
        dataset.SeriesInstanceUID = generate_uid()


def another_pitch(number, dataset):
    if number == 3:
        dataset[0x70291002].value = 1.3


def numbered_twice(number, dataset):
    dataset.InstanceNumber = 1


def cut_off(number, dataset):
    if number == 3:
        dataset.PixelData = dataset.PixelData[:20]


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({"t70371009": ("CS", "HELICAL")}, "the scan is helical: the table moves 0.0 mm"),
        ({"spoil": moving}, "the scan is helical: the table moves 21.0 mm"),
        ({"t7033100e": ("CS", "FFSXY")}, r"the focal spot flies \(FFSXY\)"),
        ({"t7033100e": None, "t7033100b": ("FL", 0.01)}, r"flies \(shifts up to 0.01"),
        ({"t7029100b": ("CS", "SPHERICAL")}, "the detector is SPHERICAL; CYLINDRICAL and FLAT"),
        ({"t70311003": None}, r"the private value \(7031,1003\) is missing"),
        ({"t70291011": None}, "is no DICOM-CT-PD projection"),
        ({"t70291011": ("US", 31)}, "holds 30x1 pixels for a detector of 1 rows and 31 columns"),
        ({"spoil": unscaled}, "03.dcm has no rescale slope and intercept"),
        ({"spoil": another_series}, "mixes 2 series"),
        ({"spoil": another_pitch}, "transverse changes from view to view"),
        ({"spoil": numbered_twice}, "instance numbers .* missing or repeated"),
        ({"spoil": cut_off}, "cut off|does not decode"),
    ],
)
def test_what_is_no_fan_is_refused(tmp_path, changed, line):
    folder = made.folder(tmp_path / "scan", **changed)
    with pytest.raises(ValueError, match=line) as error:
        read_projections(folder)
    assert str(error.value).startswith(f"{folder}: ") and "\n" not in str(error.value)


def test_a_folder_without_projections_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("none here")
    with pytest.raises(ValueError, match="holds no DICOM file"):
        read_projections(tmp_path)
