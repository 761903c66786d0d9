"""ISMRMRD raw data: whatever the order of acquisition, the picture comes out where it belongs."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from mri_scan import coils, line, picture, transform, write_ismrmrd, xml
from restore_mri.files.formats import read_hdf5
from restore_mri.kspace.samples import to_image

from restore.files.task import Record

NY, NX, COILS = 24, 20, 3
IMAGES = coils(COILS, NY, NX) * picture(NY, NX)
KSPACE = transform(IMAGES)
HEADER = xml((NX, NY, 1), (NX, NY, 1), limits=[(NY - 1, NY // 2)])
EXACT = 2e-6  # of values near 1: float32, and one transform of a few hundred numbers


def lines(kspace: np.ndarray = KSPACE, **options) -> list[np.void]:
    return [line(kspace[:, y], y, **options) for y in range(kspace.shape[1])]


def read(path: Path, rows: list[np.void], header: bytes = HEADER) -> Record:
    return read_hdf5(write_ismrmrd(path / "scan.h5", header, rows))


def close(found: torch.Tensor, truth: np.ndarray) -> bool:
    return tuple(found.shape) == truth.shape and np.abs(found.numpy() - truth).max() < EXACT


def test_a_full_scan(tmp_path):
    record = read(tmp_path, lines()[::-1])
    assert close(record.signal, KSPACE[None])
    assert record.meta["mask"] is None and record.meta["crop"] is None
    assert record.meta["noise"] is None and record.meta["phase_axis"] == -2
    assert record.meta["converted"] == []


@pytest.mark.parametrize("nx", [NX, NX + 1])
def test_reversed_readouts_are_turned(nx, tmp_path):
    kspace = transform(coils(COILS, NY, nx) * picture(NY, nx))
    rows = [
        line(kspace[:, y, ::-1], y, flags=(22,), center=nx // 2)
        if y % 2
        else line(kspace[:, y], y, center=nx // 2)
        for y in range(NY)
    ]
    assert close(read(tmp_path, rows, xml((nx, NY, 1), (nx, NY, 1))).signal, kspace[None])


def test_oversampling_of_the_readout_is_removed(tmp_path):
    images = coils(COILS, NY, 2 * NX) * np.pad(picture(NY, NX), [(0, 0), (NX // 2, NX // 2)])
    rows = lines(transform(images))
    record = read(tmp_path, rows, xml((2 * NX, NY, 1), (NX, NY, 1)))
    assert close(to_image(record.signal), images[None, :, :, NX // 2 : -NX // 2])
    assert "oversampling was removed: the middle 20 of 40" in record.meta["converted"][0]


def test_a_header_that_leaves_the_oversampling_out_is_read_by_its_readouts(tmp_path):
    images = coils(COILS, NY, 2 * NX) * np.pad(picture(NY, NX), [(0, 0), (NX // 2, NX // 2)])
    rows = lines(transform(images))
    record = read(tmp_path, rows, xml((NX, NY, 1), (NX, NY, 1)))
    stated = read(tmp_path, rows, xml((2 * NX, NY, 1), (NX, NY, 1)))
    assert close(to_image(record.signal), images[None, :, :, NX // 2 : -NX // 2])
    assert np.allclose(record.meta["geometry"].affine, stated.meta["geometry"].affine)
    assert "the header encodes 20: taken for an oversampling by 2" in record.meta["converted"][0]


def test_partial_fourier_and_missing_lines_are_not_measured(tmp_path):
    # lines 8 to 23 of 24 were acquired, numbered from 0: the middle is number 4
    acquired = [y for y in range(8, NY) if y % 2 == 0]
    rows = [line(KSPACE[:, y], y - 8) for y in acquired]
    record = read(tmp_path, rows, xml((NX, NY, 1), (NX, NY, 1), limits=[(15, 4)]))
    kept = np.isin(np.arange(NY), acquired)
    assert np.array_equal(record.meta["mask"].numpy(), np.repeat(kept[:, None], NX, 1))
    assert close(record.signal, np.where(kept[:, None], KSPACE, 0)[None])


@pytest.mark.parametrize("oversampled", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
def test_partial_readouts_lie_where_their_centre_says(oversampled, reverse, tmp_path):
    part = KSPACE[:, :, 6:]  # the first six samples of each readout are missing
    flags = (22,) if reverse else ()
    rows = [
        line(part[:, y, :: -1 if reverse else 1], y, center=NX // 2 - 6, flags=flags)
        for y in range(NY)
    ]
    recon = (NX // 2 if oversampled else NX, NY, 1)
    record = read(tmp_path, rows, xml((NX, NY, 1), recon))
    assert close(record.signal[..., 6:], part[None])
    assert record.meta["mask"][3].tolist() == [x >= 6 for x in range(NX)]
    assert record.meta["crop"] == ((NY, NX // 2) if oversampled else None)


def test_discarded_samples_are_left_out(tmp_path):
    junk = np.full((COILS, NY, 3), 7 + 7j)
    rows = [
        line(
            np.concatenate([junk[:, y, :2], KSPACE[:, y], junk[:, y, 2:]], axis=1),
            y,
            center=NX // 2 + 2,
            discard=(2, 1),
        )
        for y in range(NY)
    ]
    assert close(read(tmp_path, rows).signal, KSPACE[None])


def test_the_discarded_of_reversed_and_partial_readouts(tmp_path):
    part = np.concatenate([np.full((COILS, NY, 1), 9), KSPACE[:, :, 6:]], axis=2)
    rows = [  # turned, the discarded last sample comes first and the centre is 5
        line(part[:, y, ::-1], y, center=5, discard=(0, 1), flags=(22,)) for y in range(NY)
    ]
    assert close(read(tmp_path, rows).signal[..., 6:], KSPACE[None, :, :, 6:])


def test_averages_are_averaged_and_their_noise_falls(tmp_path):
    generator = np.random.default_rng(0)
    noise = generator.normal(size=(2, COILS, NY, NX, 2)).view(complex)[..., 0]
    scan = line(generator.normal(size=(COILS, 500, 2)).view(complex)[..., 0], flags=(19,))
    rows = [
        line(KSPACE[:, y] + (1 if average else -1) * noise[0, :, y], y, average=average)
        for average in range(2)
        for y in range(NY)
    ]
    assert close(read(tmp_path, rows).signal, KSPACE[None])
    record = read(tmp_path, [scan, *rows])
    assert record.meta["noise"] == pytest.approx(0.5**0.5) and record.meta["averages"] is None
    record = read(tmp_path, [scan, *rows[:-6]])  # six lines were acquired once
    assert record.meta["noise"] == pytest.approx(((18 * 0.5 + 6) / 24) ** 0.5)
    assert record.meta["averages"][0, :, 0].tolist() == [2.0] * 18 + [1.0] * 6


@pytest.mark.parametrize("dwell", [5.0, 10.0])
def test_the_noise_scan_whitens_the_coils(dwell, tmp_path):
    generator = np.random.default_rng(1)
    mixing = generator.normal(size=(COILS, COILS)) + 1j * generator.normal(size=(COILS, COILS))

    def noise(count: int) -> np.ndarray:
        return mixing @ generator.normal(size=(COILS, count, 2)).view(complex)[..., 0]

    # a dwell time twice as long: half the bandwidth, half the variance
    scans = [line(noise(4000) * (5 / dwell) ** 0.5, flags=(19,), dwell=dwell) for _ in range(4)]
    nx = 256
    rows = [line(noise(nx), y) for y in range(NY)]
    record = read(tmp_path, [*scans, *rows], xml((nx, NY, 1), (nx, NY, 1)))
    white = record.signal[0].flatten(1)
    covariance = white @ white.mH / white.shape[1]
    # 6144 samples of this noise and 16000 of the scan's: 5 standard errors of a variance of 2
    assert (covariance - 2 * torch.eye(COILS)).abs().max() < 5 * 2 * (1 / 6144 + 1 / 16000) ** 0.5
    assert record.meta["noise"] == 1.0
    assert "prewhitened by 4 readouts" in record.meta["converted"][0]


def test_readouts_of_other_purposes_are_left_out(tmp_path):
    junk = np.full((COILS, NX), 50 + 0j)
    rows = [line(junk, 3, flags=(flag,)) for flag in (23, 24, 26, 27, 28, 29)]
    record = read(tmp_path, [*rows, *lines()])
    assert close(record.signal, KSPACE[None])
    assert "6 readouts that are not of the image were left out" in record.meta["converted"]


def test_calibration_lines_are_for_the_maps_only(tmp_path):
    rows = [line(KSPACE[:, y], y, flags=(21,) if y == 12 else ()) for y in range(0, NY, 2)]
    acs = [line(KSPACE[:, y], y, flags=(20,)) for y in range(9, 16)]
    record = read(tmp_path, [*acs, *rows])
    assert record.meta["mask"][:, 0].tolist() == [y % 2 == 0 for y in range(NY)]
    held = np.isin(np.arange(NY), range(9, 16))[:, None]
    assert close(record.meta["calibration"], np.where(held, KSPACE, 0)[None])


def test_slices_are_ordered_along_their_normal(tmp_path):
    scans = [transform(coils(COILS, NY, NX) * picture(NY, NX, seed=s)) for s in range(3)]
    heights = {0: 5.0, 1: -1.0, 2: 11.0}  # slice number -> mm
    rows = [
        line(scans[s][:, y], y, slice=s, position=(10, 20, heights[s]))
        for y in range(NY)
        for s in range(3)
    ]
    record = read(tmp_path, rows)
    assert close(record.signal, np.stack([scans[1], scans[0], scans[2]]))
    assert [frame[0] for frame in record.meta["frames"]] == [1, 0, 2]
    geometry = record.meta["geometry"]
    assert geometry.spacing == pytest.approx((6.0, 2.0, 1.5))
    # the middle voxel of the first slice lies at its position, which is LPS
    assert (geometry.affine @ [NX // 2, NY // 2, 0, 1])[:3] == pytest.approx([-10, -20, -1])
    assert (geometry.affine @ [NX // 2 + 1, NY // 2, 2, 1])[:3] == pytest.approx([-11.5, -20, 11])


def test_contrasts_and_repetitions_are_frames(tmp_path):
    rows = [
        line(KSPACE[:, y] * (1 + c + 10 * r), y, contrast=c, repetition=r)
        for r in range(2)
        for c in range(2)
        for y in range(NY)
    ]
    record = read(tmp_path, rows)
    factors = [1 + frame[1] + 10 * frame[3] for frame in record.meta["frames"]]
    assert sorted(factors) == [1, 2, 11, 12]
    assert close(record.signal / torch.tensor(factors)[:, None, None, None], np.stack([KSPACE] * 4))
    assert record.meta["geometry"] is None


def test_a_volume_becomes_slices_along_the_readout(tmp_path):
    nz, ny, nx = 8, 10, 24
    image = np.pad(picture(nz, ny, nx // 2), [(0, 0), (0, 0), (nx // 4, nx // 4)])
    kspace = transform(image, (0, 1, 2))
    kept = np.random.default_rng(0).random((nz, ny)) < 0.6
    rows = [
        line(kspace[None, z, y], y, kspace_encode_step_2=z, position=(1, 2, 3))
        for z, y in zip(*np.nonzero(kept))
    ]
    record = read(tmp_path, rows, xml((nx, ny, nz), (nx // 2, ny, nz)))
    slices = np.fft.fftshift(np.fft.ifft(np.fft.ifftshift(kspace, 2), axis=2, norm="ortho"), 2)[
        ..., nx // 4 : -nx // 4
    ]
    truth = np.where(kept[..., None], slices, 0).transpose(2, 1, 0)  # (x, y, z)
    assert close(record.signal[:, 0], truth)
    assert np.array_equal(record.meta["mask"].numpy(), kept.T)
    assert record.meta["geometry"].spacing == pytest.approx((1.5, 2.0, 4.0))
    middle = record.meta["geometry"].affine @ [nz // 2, ny // 2, nx // 4, 1]
    assert middle[:3] == pytest.approx([-1, -2, 3])


@pytest.mark.parametrize("unit", [1.0, 1 / 16])
def test_spokes_keep_their_trajectory(unit, tmp_path):
    generator = np.random.default_rng(0)
    angles = np.arange(6) * np.pi / 6
    radii = np.arange(16) - 8
    places = np.stack([np.outer(np.cos(angles), radii), np.outer(np.sin(angles), radii)], -1)
    samples = generator.normal(size=(6, 2, 16, 2)).view(complex)[..., 0]
    rows = [line(s, y, places=p * unit) for y, (s, p) in enumerate(zip(samples, places))]
    record = read(tmp_path, rows, xml((16, 16, 1), (16, 16, 1), trajectory="radial"))
    assert close(record.signal[0], samples.transpose(1, 0, 2).reshape(2, -1))
    truth = places.reshape(-1, 2)[:, ::-1]  # (ky, kx)
    assert np.abs(record.meta["trajectory"].numpy() - truth).max() < 1e-5
    assert record.meta["shape"] == (16, 16)


FULL = lines()
PLACES = np.zeros((NX, 2))
BROKEN = {
    "nothing but noise": ([line(KSPACE[:, 0], flags=(19,))], HEADER, "of an image"),
    "a step too far": ([*FULL, line(KSPACE[:, 0], 24)], HEADER, "step 24, line 24 of 24"),
    "too long": ([line(np.ones((3, 30)), 0)], HEADER, "readouts of 30 samples"),
    "coils": ([*FULL, line(KSPACE[:1, 0], 0)], HEADER, "change from 3 coils to 1"),
    "NaN": ([*FULL[1:], line(KSPACE[:, 0] * np.nan, 0)], HEADER, "not finite"),
    "no matrix": (FULL, xml((0, 0, 0), (0, 0, 0)), "no encoded matrix"),
    "no XML": (FULL, b"nothing", "broken XML"),
    "no number": (FULL, HEADER.replace(b"<x>20<", b"<x>many<"), "'many' for a number"),
    "all discarded": ([line(KSPACE[:, 0], discard=(15, 5))], HEADER, "discards all"),
    "little noise": ([line(KSPACE[:, 0, :4], flags=(19,)), *FULL], HEADER, "too few"),
    "flat noise": ([line(np.zeros((3, 99)), flags=(19,)), *FULL], HEADER, "singular"),
    "no places": (FULL, xml((NX, NY, 1), (NX, NY, 1), trajectory="spiral"), "have no places"),
    "unit": (
        [line(KSPACE[:, 0], places=PLACES + 90)],
        xml((NX, NY, 1), (NX, NY, 1), trajectory="radial"),
        "an unknown unit",
    ),
    "three axes": (
        [line(KSPACE[:, 0], places=np.zeros((NX, 3)))],
        xml((NX, NY, 1), (NX, NY, 1), trajectory="radial"),
        "has 3 axes",
    ),
    "another trajectory": (
        [line(KSPACE[:, 0], places=PLACES + 0.1 * r, repetition=r) for r in range(2)],
        xml((NX, NY, 1), (NX, NY, 1), trajectory="radial"),
        "different trajectories",
    ),
}


@pytest.mark.parametrize(("rows", "header", "said"), BROKEN.values(), ids=BROKEN)
def test_a_broken_scan_is_refused_in_one_line(rows, header, said, tmp_path):
    with pytest.raises(ValueError, match=said) as error:
        read(tmp_path, rows, header)
    assert "scan.h5" in str(error.value) and "\n" not in str(error.value)


def test_a_readout_that_lacks_samples_is_refused(tmp_path):
    row = line(KSPACE[:, 0])
    row["data"] = row["data"][:-1]
    with pytest.raises(ValueError, match="acquisition 0 holds 119 numbers, its header"):
        read(tmp_path, [row])


def test_a_group_of_something_else_is_refused(tmp_path):
    with h5py.File(tmp_path / "scan.h5", "w") as file:
        file["dataset/xml"] = [HEADER]
        file["dataset/data"] = np.ones(4)
    with pytest.raises(ValueError, match="no acquisitions of ISMRMRD"):
        read_hdf5(tmp_path / "scan.h5")


def test_an_empty_file_is_refused(tmp_path):
    with pytest.raises(ValueError, match="holds no acquisitions"):
        read(tmp_path, [])
