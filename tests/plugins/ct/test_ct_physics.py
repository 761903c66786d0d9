"""Counts, line integrals and Hounsfield units: inverses, variances and dead pixels."""

import math

import pytest
import torch
from restore_ct import noise as likelihood
from restore_ct import physics
from restore_ct.scan import scan
from restore_operators.pixels.mask import Mask

from restore.measurement.noise import Gaussian
from restore.measurement.not_gaussian import Transmission

DOUBLE = torch.float64


def drawn(rate, electronic=0.0, count=200_000, seed=0):
    generator = torch.Generator().manual_seed(seed)
    rates = torch.full((count,), float(rate), dtype=DOUBLE)
    noise = torch.randn(count, generator=generator, dtype=DOUBLE)
    return torch.poisson(rates, generator=generator) + electronic * noise


@pytest.mark.parametrize("mu_water", [physics.MU_WATER, 0.02, 1.0])
def test_hounsfield_and_attenuation_are_inverse(mu_water):
    hu = torch.linspace(-1000, 3000, 41, dtype=DOUBLE)
    there = physics.attenuation(hu, mu_water)
    torch.testing.assert_close(physics.hounsfield(there, mu_water), hu)
    assert there[0] == 0 and physics.hounsfield(torch.tensor(mu_water), mu_water) == 0


def test_a_line_integral_comes_back_from_its_counts():
    p = torch.linspace(-0.2, 8, 50, dtype=DOUBLE)
    torch.testing.assert_close(physics.line_integrals(physics.transmitted(p, 1e5), 1e5), p)


def test_more_photons_than_set_out_are_a_negative_line_integral():
    assert physics.line_integrals(torch.tensor(110.0), 100.0) < 0


def test_a_starved_ray_counts_half_a_photon():
    starved = physics.line_integrals(torch.tensor([0.0, -7.0]), 100.0)
    torch.testing.assert_close(starved, torch.full((2,), math.log(200.0)))
    assert physics.weights(torch.tensor(0.0)) == 0.5
    assert physics.weights(torch.tensor(0.0), 10.0) < 0.01


@pytest.mark.parametrize(("rate", "electronic"), [(1000.0, 0.0), (1000.0, 30.0), (200.0, 5.0)])
def test_weights_are_inverse_variances_of_line_integrals(rate, electronic):
    counts = drawn(rate, electronic)
    p = physics.line_integrals(counts, 1e4)
    # the next term of the variance is 3 / N^2 or so; 200 000 draws: 0.3 % a standard error
    stated = physics.weights(torch.tensor(rate), electronic).item()
    assert 1 / p.var().item() == pytest.approx(stated, rel=0.03)


def test_the_logarithm_bends_as_stated():
    p = physics.line_integrals(drawn(100.0), 1e4)
    off = p.mean().item() - math.log(1e4 / 100)
    assert off == pytest.approx(1 / 200, abs=4 * 0.1 / 200_000**0.5 + 1e-4)


def frames(gain=2.5, electronic=4.0, views=30, whites=40, bins=(3, 50), seed=0):
    """Raw projections of known line integrals, with flicker in the flat fields."""
    generator = torch.Generator().manual_seed(seed)
    profile = 2000 + 500 * torch.rand(bins, generator=generator)
    offset = 90 + 10 * torch.rand(bins, generator=generator)
    p = torch.linspace(-0.05, 2, views)[:, None, None].expand(views, *bins)

    def read(rate):
        noise = electronic * torch.randn(rate.shape, generator=generator)
        return offset + gain * (torch.poisson(rate, generator=generator) + noise)

    flicker = 1 + 0.02 * torch.randn(whites, 1, 1, generator=generator)
    white = read(profile * flicker / flicker.mean())
    dark = read(torch.zeros(whites, *bins))
    return read(profile * torch.exp(-p)), white, dark, p


def test_flat_and_dark_fields_tell_gain_and_read_out_noise():
    data, white, dark, p = frames()
    found = physics.corrected(data, white, dark)
    assert found.gain == pytest.approx(2.5, rel=0.05)
    assert found.electronic == pytest.approx(4.0, rel=0.1)
    scaled = (found.line_integrals - p) * found.weights.sqrt()
    # 4500 values: 0.015 a standard error; the mean flat field adds 1 / 40 of its own variance
    assert scaled.mean().abs() < 0.08
    assert scaled.std().item() == pytest.approx(1.0, abs=0.06)


def test_without_variation_of_the_flat_fields_there_are_no_weights():
    data, white, dark, _ = frames()
    for flat in (white[:1], white[:1].expand(5, -1, -1)):
        found = physics.corrected(data, flat, dark)
        assert found.weights is found.counts0 is found.gain is None
        assert torch.isfinite(found.line_integrals).all()


def test_a_dead_pixel_weighs_nothing():
    data, white, dark, _ = frames()
    white[:, 1, 7] = dark[:, 1, 7]
    data[:, 1, 7] = float(dark[0, 1, 7])
    found = physics.corrected(data, white, dark)
    assert not found.live[1, 7] and found.live.sum() == found.live.numel() - 1
    assert (found.line_integrals[:, 1, 7] == 0).all() and (found.weights[:, 1, 7] == 0).all()


def test_frames_of_other_sizes_are_refused():
    data, white, dark, _ = frames()
    with pytest.raises(ValueError, match=r"projections are 3x50, the flat fields 3x49"):
        physics.corrected(data, white[..., 1:], dark)
    with pytest.raises(ValueError, match="no pixel of the flat fields is brighter"):
        physics.corrected(data, dark, white)


SUMS = Mask(torch.ones(1, 1, 2, 3))  # the least of projectors: a ray for each pixel


def small(kind="counts", **more):
    counts = torch.tensor([[[90.0, 40.0, 0.0], [25.0, 60.0, 101.0]]])
    signal = counts if kind == "counts" else physics.line_integrals(counts, 100.0)
    return scan(signal, None, kind=kind, angles=[0.0, 1.0], counts0=100.0, format="x", **more)


@pytest.mark.parametrize("kind", ["counts", "sinogram"])
def test_both_kinds_of_scan_give_the_same_likelihoods(kind):
    record = small(kind, electronic=3.0)
    exact, near = likelihood.transmission(record, SUMS), likelihood.log_gaussian(record, SUMS)
    assert isinstance(exact.noise, Transmission) and exact.noise.electronic == 3.0
    assert isinstance(near.noise, Gaussian)
    torch.testing.assert_close(exact.y, near.y)
    assert near.y.shape == near.noise.std.shape == (1, 1, 1, 2, 3)
    torch.testing.assert_close(near.noise.std.float(), exact.noise.gaussian(exact.y).std.float())


def test_dead_rays_are_left_out_of_the_operator():
    record = small("sinogram", weights=torch.tensor([[[9.0, 0.0, 4.0], [25.0, 60.0, 101.0]]]))
    for measurement in (
        likelihood.log_gaussian(record, SUMS),
        likelihood.transmission(record, SUMS),
        likelihood.log_gaussian(record, SUMS, std=0.1),
    ):
        assert measurement.measured_mask.flatten().tolist() == [True, False, True, True, True, True]
        x = torch.rand(1, 1, 1, 2, 3, generator=torch.Generator().manual_seed(0))
        assert measurement.score(x).flatten()[1] == 0
    assert measurement.chi_square(record.signal[None, None]).item() == 0


def test_what_is_not_known_is_not_guessed():
    record = scan(torch.zeros(1, 2, 3), None, angles=[0.0, 1.0], format="x")
    with pytest.raises(ValueError, match="noise of the line integrals is not known"):
        likelihood.log_gaussian(record, SUMS)
    with pytest.raises(ValueError, match="wants counts0"):
        likelihood.transmission(record, SUMS)
    assert likelihood.log_gaussian(record, SUMS, std=0.2).noise.std == 0.2


def test_a_projector_of_other_rays_is_refused():
    with pytest.raises(ValueError, match="the sinogram is 1x2x3, the projector's 1x3x2"):
        likelihood.transmission(small(), Mask(torch.ones(1, 3, 2)))


def test_each_ray_may_have_photons_of_its_own():
    counts = torch.tensor([[[90.0, 40.0, 20.0], [25.0, 60.0, 101.0]]])
    photons = torch.tensor([100.0, 200.0, 300.0])
    record = scan(counts, None, kind="counts", angles=[0.0, 1.0], counts0=photons, format="x")
    measurement = likelihood.transmission(record, SUMS)
    there = measurement.noise.counts(measurement.y)
    torch.testing.assert_close(there.reshape(counts.shape), counts)
