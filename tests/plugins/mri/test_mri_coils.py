"""Coil maps, noise and compression against scans whose coils and noise are known."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from restore_mri.coils.coils import (
    compression,
    low_frequency_maps,
    matched_filter,
    mix,
    noise_std,
    normalised,
    root_sum_of_squares,
    whitening,
)
from restore_mri.coils.espirit import espirit
from restore_mri.kspace.calibration import calibration_data, calibration_region
from restore_mri.kspace.samples import to_kspace
from restore_mri.masks.masks import centre_lines


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    """Of unit std in each part."""
    parts = torch.randn(*shape, 2, generator=torch.Generator().manual_seed(seed))
    return torch.view_as_complex(parts)


def coil_maps(coils: int = 6, height: int = 40, width: int = 45) -> torch.Tensor:
    """Smooth maps of coils around the field of view, sum_c |S_c|^2 = 1; (1, coil, y, x)."""
    y, x = torch.meshgrid(
        torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij"
    )
    angle = 2 * torch.pi * torch.arange(coils)[:, None, None] / coils
    distance = (y - 1.3 * angle.sin()) ** 2 + (x - 1.3 * angle.cos()) ** 2
    phase = 0.8 * (x * angle.cos() - y * angle.sin()) + angle
    return normalised((torch.polar(torch.exp(-distance / 2), phase))[None])


def anatomy(height: int = 40, width: int = 45) -> torch.Tensor:
    """An ellipse with structure in it, and air around; (1, y, x), complex."""
    y, x = torch.meshgrid(
        torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij"
    )
    inside = (y**2 + (x / 0.8) ** 2 < 0.6).float()
    image = inside * (
        1 + 0.4 * torch.cos(9 * x) * torch.cos(7 * y + 1) - 0.5 * (x**2 + y**2 < 0.05)
    )
    return torch.polar(image, 0.5 * x)[None]


def scan(std: float = 1e-3, seed: int = 0) -> torch.Tensor:
    kspace = to_kspace(coil_maps() * anatomy()[:, None])
    return kspace + std * noise(*kspace.shape, seed=seed)


def overlap(maps: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """|<S, T>| where both are of unit length: 1 if they differ by a phase only; (slice, y, x)."""
    return (maps.conj() * truth).sum(1).abs()


def test_espirit_finds_the_maps_where_there_is_signal_and_none_in_the_air():
    maps, signal = espirit(scan()), anatomy().abs()
    inside = torch.nn.functional.avg_pool2d((signal > 0).float(), 5, 1, 2) == 1
    assert overlap(maps, coil_maps())[inside].min() > 0.999
    power = maps.abs().square().sum(1)
    assert torch.allclose(power[inside], torch.ones(()), atol=1e-5)
    air = torch.nn.functional.avg_pool2d((signal > 0).float(), 9, 1, 4) == 0
    assert (power[air] == 0).all()


def test_espirit_sees_the_calibration_lines_only():
    lines = centre_lines(45, 20)
    full, least = scan(), scan() * lines
    torch.testing.assert_close(
        espirit(least, lines.expand(40, 45)), espirit(full, lines.expand(40, 45))
    )


def test_the_reference_coil_has_no_phase():
    maps = espirit(scan(), reference=2)
    assert maps[:, 2].imag.abs().max() < 1e-5
    assert maps[:, 2].real.min() > -1e-5
    assert torch.allclose(maps.abs(), espirit(scan()).abs(), atol=1e-5)


def test_slices_have_maps_of_their_own():
    two = torch.cat([scan(seed=0), scan(seed=1).flip(1)])
    torch.testing.assert_close(espirit(two)[:1], espirit(two[:1]))
    torch.testing.assert_close(espirit(two)[1:], espirit(two[1:]))


def tutorial(folder: Path) -> torch.Tensor:
    """The middle of eight coils of a volunteer's k-space, undersampled further out."""
    return torch.from_numpy(np.load(folder / "sigpy_tutorial_cartesian_ksp.npy"))[:, 67:163, 45:135]


def raw_data(folder: Path) -> torch.Tensor:
    """Eight of sixteen coils, all measured."""
    with h5py.File(folder / "mchiew_sense_raw_data.mat") as opened:
        raw = opened["raw"][:8, 0]
    return torch.from_numpy(raw["real"] + 1j * raw["imag"]).to(torch.complex64)


@pytest.mark.parametrize("load", [tutorial, raw_data])
def test_espirit_agrees_with_sigpy(load, shared_data):
    app = pytest.importorskip("sigpy.mri.app", reason="sigpy is not installed")
    kspace = load(shared_data / "mri")
    ours = espirit(kspace[None], reference=0)[0]
    theirs = torch.from_numpy(app.EspiritCalib(kspace.numpy(), show_pbar=False).run())
    here, there = ours.abs().sum(0) > 0, theirs.abs().sum(0) > 0
    assert (here == there).float().mean() > 0.999
    difference = (ours - theirs)[:, here & there]
    assert difference.abs().square().mean().sqrt() < 1e-4  # their power iterations: 100


def test_low_frequency_maps_are_the_coils_where_there_is_signal():
    maps = low_frequency_maps(scan(), calibration=16)
    inside = torch.nn.functional.avg_pool2d((anatomy().abs() > 0).float(), 9, 1, 4) == 1
    assert overlap(maps, coil_maps())[inside].min() > 0.99
    assert torch.allclose(maps.abs().square().sum(1), torch.ones(()), atol=1e-5)


def test_the_matched_filter_undoes_the_coils():
    kspace = scan(std=0)
    torch.testing.assert_close(matched_filter(kspace, coil_maps()), anatomy(), atol=1e-5, rtol=0)
    torch.testing.assert_close(
        matched_filter(kspace, 3 * coil_maps()), anatomy() / 3, atol=1e-5, rtol=0
    )
    cropped = coil_maps() * (anatomy().abs() > 0)[:, None]
    assert matched_filter(kspace, cropped).isfinite().all()
    torch.testing.assert_close(
        root_sum_of_squares(coil_maps() * anatomy()[:, None]), anatomy().abs()
    )


def test_whitened_noise_is_white_with_unit_parts():
    mixing = noise(4, 4, seed=1) + 2 * torch.eye(4)
    measured = torch.einsum("ab,bn->an", mixing, noise(4, 20000))
    white = mix(whitening(measured), measured, axis=0)
    covariance = white @ white.mH / white.shape[1]
    torch.testing.assert_close(covariance, 2 * torch.eye(4) + 0j, atol=1e-4, rtol=0)
    fresh = mix(whitening(measured), torch.einsum("ab,bn->an", mixing, noise(4, 20000, seed=9)), 0)
    assert fresh.real.std() == pytest.approx(1, abs=0.02)


def test_whitening_refuses_what_is_no_noise_scan():
    with pytest.raises(ValueError, match="too few for 4 coils"):
        whitening(noise(4, 7))
    copies = noise(3, 500)
    copies[2] = copies[0]
    with pytest.raises(ValueError, match="singular"):
        whitening(copies)


def test_virtual_coils_hold_all_there_is_in_order():
    kspace = scan(std=0)[:, :3]
    doubled = torch.cat([kspace, 1j * kspace, 0.5 * kspace], 1)  # nine coils of rank three
    matrix = compression(doubled, 3)
    torch.testing.assert_close(matrix @ matrix.mH, torch.eye(3, dtype=matrix.dtype))
    virtual = mix(matrix, doubled)
    torch.testing.assert_close(mix(matrix.mH, virtual), doubled, atol=1e-5, rtol=1e-4)
    energy = virtual.abs().square().sum((0, 2, 3))
    assert (energy.diff() <= 0).all()
    torch.testing.assert_close(matched_filter(virtual, mix(matrix, normalised(doubled))),
                               matched_filter(doubled, normalised(doubled)))  # fmt: skip
    with pytest.raises(ValueError, match="9 coils cannot be compressed to 10"):
        compression(doubled, 10)


def noisy(std: torch.Tensor) -> torch.Tensor:
    kspace = to_kspace(coil_maps(3, 128, 96) * anatomy(128, 96)[:, None])
    return kspace + std[:, None, None] * noise(*kspace.shape)


STD = torch.tensor([0.02, 0.03, 0.05])


def test_noise_is_found_in_the_air():
    lines = torch.rand(96, generator=torch.Generator().manual_seed(0)) < 0.4
    mask = lines.expand(128, 96)
    assert torch.allclose(noise_std(noisy(STD)).float(), STD, rtol=0.12)
    found = noise_std(noisy(STD), mask)
    assert torch.allclose(found.float(), STD, rtol=0.15)  # 38 lines: up to 0.17 too low
    filled = noisy(STD) * mask
    filled[..., :10] = filled[..., -10:] = 0  # not measured, whatever the mask says
    mask = mask.clone()
    mask[:, :10] = mask[:, -10:] = False
    assert torch.equal(noise_std(filled), noise_std(noisy(STD), mask))


def test_noise_of_scattered_samples_is_found_in_the_periphery():
    mask = torch.rand(128, 96, generator=torch.Generator().manual_seed(0)) < 0.4
    found = noise_std(noisy(STD), mask).float()
    assert torch.equal(noise_std(noisy(STD) * mask).float(), found)
    assert ((found > 0.9 * STD) & (found < 1.5 * STD)).all()  # signal is there, too
    strong = noise_std(noisy(50 * STD), mask).float()
    assert torch.allclose(strong, 50 * STD, rtol=0.1)
    with pytest.raises(ValueError, match="too few"):
        noise_std(noisy(STD)[..., :10, :10], mask[:10, :10])


def test_the_calibration_region_is_the_box_in_the_middle_that_was_measured():
    assert calibration_region(torch.ones(7, 10)) == (7, 10)
    assert calibration_region(centre_lines(320, 26).expand(64, 320)) == (64, 26)
    assert calibration_region(centre_lines(321, 25).expand(64, 321)) == (64, 25)
    assert calibration_region(centre_lines(30, 8)[:, None].expand(30, 9), largest=6) == (6, 6)
    mask = torch.zeros(20, 20)
    mask[7:13, 6:14] = mask[0] = mask[:, 1] = 1
    assert calibration_region(mask) == (6, 8)
    both = torch.stack([mask, centre_lines(20, 4).expand(20, 20)])
    assert calibration_region(both) == (6, 4)
    data = torch.arange(400.0).reshape(20, 20)
    assert calibration_data(data, mask).equal(data[7:13, 6:14])


def test_without_calibration_lines_there_are_no_maps():
    mask = torch.ones(40, 45)
    mask[:, 22] = 0
    for estimate in (espirit, low_frequency_maps, lambda k, m: compression(k, 2, m)):
        with pytest.raises(ValueError, match="no calibration lines"):
            estimate(scan(), mask)
    with pytest.raises(ValueError, match="40x5 samples, and 7x7 are needed"):
        espirit(scan(), centre_lines(45, 5).expand(40, 45), calibration=40)
    with pytest.raises(ValueError, match="does not fit"):
        espirit(scan(), torch.ones(45, 40))
