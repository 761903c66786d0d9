"""Simulated scans: their noise, their truth, and that no inverse crime is committed unasked."""

import math

import numpy as np
import pytest
import torch
from restore_ct import physics
from restore_ct.files import hdf5
from restore_ct.noise import log_gaussian, transmission
from restore_ct.operators import centred, projector
from restore_ct.recipes.simulate import _finer, simulate
from restore_dicom.geometry import Geometry

from restore.files.task import Record

PIXEL = 0.8
MANY = 1e13  # photons: as good as no noise


def disc(slices=1, size=(32, 37), radius=11.0, hu=50.0, units="HU"):
    """A disc of a little more than water, in air; edges averaged over 8 x 8 points a pixel."""
    y, x = (((torch.arange(8 * n) + 0.5) / 8 - n / 2) for n in size)
    inside = (y[:, None] ** 2 + x**2 <= radius**2).float()
    share = inside.unflatten(0, (-1, 8)).unflatten(2, (-1, 8)).mean((1, 3))
    picture = (hu + 1000) * share - 1000
    geometry = Geometry(np.diag([-PIXEL, -PIXEL, 2.0, 1.0]))
    meta = {"units": units, "geometry": geometry}
    return Record(picture.expand(1, slices, *size).clone(), "volume", None, meta)


def scanned(record=None, seed=0, **options):
    made = simulate(record or disc(), None, seed, **options)
    return made["measurement.h5"], made["reference.h5"]


@pytest.mark.parametrize("same_grid", [False, True])
def test_without_noise_a_disc_casts_the_shadow_of_a_disc(same_grid):
    image = disc(size=(64, 70), radius=30)
    record, _ = scanned(image, counts=MANY, views=24, same_grid=same_grid)
    bins = record.signal.shape[-1]
    s = ((torch.arange(8 * bins) + 0.5) / 8 - bins / 2) * PIXEL
    chord = 2 * ((30 * PIXEL) ** 2 - s**2).clamp(min=0).sqrt().unflatten(0, (-1, 8)).mean(1)
    expected = physics.attenuation(torch.tensor(50.0)) * chord
    error = (record.signal[0] - expected).norm() / expected.expand(24, -1).norm()
    assert error < 0.01  # pixels of a sixtieth of the disc


def test_on_the_same_grid_the_data_are_the_projectors_own():
    record, reference = scanned(counts=MANY, views=10, same_grid=True)
    own = projector(record)(physics.attenuation(reference.signal)[None])[0, 0]
    torch.testing.assert_close(record.signal, own, atol=1e-5, rtol=1e-5)


def test_unasked_the_data_are_not_the_projectors_own_but_near():
    record, reference = scanned(counts=MANY, views=10)
    own = projector(record)(physics.attenuation(reference.signal)[None])[0, 0]
    off = ((record.signal - own).norm() / own.norm()).item()
    assert 1e-3 < off < 0.05


def test_the_finer_image_has_the_coarse_one_for_its_means():
    mu = torch.rand(2, 9, 12, generator=torch.Generator().manual_seed(0))
    mu[0, 3:5, 4:] = 0
    fine = _finer(mu)
    assert fine.shape == (2, 18, 24) and fine.min() >= 0
    torch.testing.assert_close(fine.unflatten(2, (-1, 2)).unflatten(1, (-1, 2)).mean((2, 4)), mu)
    assert fine.unflatten(-1, (-1, 2)).diff(dim=-1).abs().mean() > 0.05  # not blocks


def test_the_reference_is_the_image():
    record = disc(slices=2, size=(16, 19), radius=6.0)
    record.signal[0, 1, 8, 8] = -1024.0  # less than nothing
    _, reference = scanned(record, views=3)
    assert reference.kind == "volume" and reference.meta["units"] == "HU"
    assert reference.meta["geometry"] is record.meta["geometry"]
    torch.testing.assert_close(reference.signal, record.signal.clamp(min=-1000), atol=1e-3, rtol=0)


@pytest.mark.parametrize("electronic", [0.0, 15.0])
def test_the_noise_has_the_variance_of_the_weights(electronic):
    slices = 40
    record, _ = scanned(disc(slices), counts=2000, views=4, electronic=electronic)
    noise = record.signal - record.signal.mean(0)  # all slices are alike
    scaled = noise * record.meta["weights"].mean(0).sqrt() * (slices / (slices - 1)) ** 0.5
    assert scaled.std().item() == pytest.approx(1, abs=0.03)  # 7800 numbers: 0.008


def test_both_likelihoods_find_the_truth_likely():
    record, reference = scanned(disc(4), counts=1e4, views=12, same_grid=True)
    mu, operator = physics.attenuation(reference.signal)[None], projector(record)
    gauss, exact = log_gaussian(record, operator), transmission(record, operator)
    # 4 x 12 x 49 rays: 0.03 a standard error
    assert gauss.chi_square(mu).item() == pytest.approx(1, abs=0.1)
    for other in (mu + 2e-4, mu * 1.03, mu - 2e-4):
        assert exact.log_likelihood(other) < exact.log_likelihood(mu)


def test_the_seed_makes_the_noise_and_each_slice_has_its_own():
    record = disc(3)
    first, again, other = (scanned(record, seed, views=5)[0] for seed in (4, 4, 5))
    assert torch.equal(first.signal, again.signal)
    assert not torch.equal(first.signal, other.signal)
    assert not torch.equal(first.signal[0], first.signal[1])


def test_one_slice_is_that_of_the_whole():
    record = disc(3)
    record.signal[0, 1] *= 0.9
    whole, reference = scanned(record, views=5)
    one, own = scanned(record, views=5, slice=1)
    assert torch.equal(one.signal[0], whole.signal[1])
    torch.testing.assert_close(own.signal[:, 0], reference.signal[:, 1], atol=1e-3, rtol=0)
    z = own.meta["geometry"].affine[2, 3] - record.meta["geometry"].affine[2, 3]
    assert z == pytest.approx(2.0)


def test_a_starved_scan_is_finite():
    record, _ = scanned(disc(hu=9000.0, radius=15), counts=3, views=6, electronic=2.0)
    assert torch.isfinite(record.signal).all() and torch.isfinite(record.meta["weights"]).all()
    assert record.signal.max().item() == pytest.approx(math.log(2 * 3))
    assert record.meta["weights"].min() > 0


@pytest.mark.parametrize(("arc", "views"), [(180.0, 6), (90.0, 5), (360.0, 8)])
def test_views_are_even_over_the_arc(arc, views):
    record, _ = scanned(views=views, arc=arc)
    expected = np.deg2rad(np.arange(views) * arc / views)
    np.testing.assert_allclose(record.meta["angles"], expected)


def test_the_measurement_comes_back_from_disk(tmp_path):
    record, reference = scanned(views=4, counts=1e4, electronic=3.0)
    path = tmp_path / "measurement.h5"
    hdf5.write_hdf5(record, path)
    back = hdf5.read_hdf5(path)
    assert torch.equal(back.signal, record.signal)
    for name in ("pitch", "offset", "pixel", "shape", "counts0", "electronic", "mu_water", "beam"):
        assert back.meta[name] == record.meta[name], name
    assert torch.equal(back.meta["weights"], record.meta["weights"])
    assert torch.equal(back.meta["angles"], record.meta["angles"])
    affines = (part.meta["geometry"].affine for part in (back, record))
    np.testing.assert_array_equal(*affines)
    assert "4 views over 180 degrees" in back.meta["operator"]
    hdf5.write_hdf5(reference, tmp_path / "reference.h5")
    assert torch.equal(hdf5.read_hdf5(tmp_path / "reference.h5").signal, reference.signal)


def test_padding_is_air():
    record, plain = disc(), disc()
    valid = torch.ones_like(record.signal, dtype=torch.bool)
    valid[..., :3, :] = False
    record.signal[..., :3, :] = -3024
    padded = Record(record.signal, "volume", None, {**record.meta, "valid": valid})
    assert torch.equal(scanned(padded, views=3)[0].signal, scanned(plain, views=3)[0].signal)


def test_other_values_are_scaled_by_air_and_water():
    record = disc(units="1")
    grey = Record((record.signal + 1000) * 0.1, "volume", None, record.meta)
    found, _ = scanned(grey, views=3, air=0.0, water=100.0)
    torch.testing.assert_close(found.signal, scanned(views=3)[0].signal)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"views": 0}, "views are at least 1"),
        ({"arc": 400.0}, "over an arc up to 360"),
        ({"counts": 0.0}, "counts must be positive"),
        ({"electronic": -1.0}, "electronic noise must be finite"),
        ({"slice": 3}, "there are slices 0 to 0, not 3"),
        ({"water": 3.0}, "air and water go together"),
        ({"pixel": -1.0}, "pixel must be positive"),
    ],
)
def test_options_that_make_no_scan_are_refused(options, line):
    with pytest.raises(ValueError, match=line):
        scanned(**options)


def test_an_image_that_does_not_say_what_it_is_is_refused():
    with pytest.raises(ValueError, match="values are in '1' units, not in HU"):
        scanned(disc(units="1"))
    nowhere = Record(disc().signal, "volume", None, {"units": "HU", "geometry": None})
    with pytest.raises(ValueError, match="does not tell how large its pixels are"):
        scanned(nowhere)
    assert scanned(nowhere, views=2, pixel=1.5)[0].meta["pitch"] == 1.5
    oblong = Geometry(np.diag([1.0, 1.2, 2.0, 1.0]))
    with pytest.raises(ValueError, match=r"its pixels are 1\.2 x 1 mm"):
        scanned(Record(disc().signal, "volume", None, {"units": "HU", "geometry": oblong}))
    with pytest.raises(ValueError, match="give counts and electronic"):
        simulate(disc(), 0.05, 0)


def test_an_axis_off_the_middle_is_where_it_is_said_to_be():
    """A point on the axis casts its shadow on the bin of the axis in every view."""
    record, _ = scanned(views=7)
    moved = projector(centred(record, 13.25))
    shadow = moved.shadow(slice(None), torch.zeros(1), torch.zeros(1))
    torch.testing.assert_close(shadow, torch.full((7, 1), 13.25, dtype=shadow.dtype))
    assert centred(record, 13.25).meta["offset"] != record.meta["offset"]
    again = centred(centred(record, 3.0), (record.signal.shape[-1] - 1) / 2)
    assert again.meta["offset"] == 0


def test_a_projector_fits_the_scan_or_the_picture_asked_for():
    record, _ = scanned(disc(3), views=7)
    own, other = projector(record), projector(record, (20, 21), 1.5)
    assert own.in_shape == (1, 3, 32, 37) and own.out_shape == (1, *record.signal.shape)
    assert other.in_shape == (1, 3, 20, 21) and other.pixel == 1.5
