"""k-space files: every format gives the same k-space, in one convention, or one clear line."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
import torch
from mri_scan import coils, picture, transform, write_fastmri, xml
from restore_dicom.geometry import Geometry
from restore_mri.files.formats import read_bart, read_hdf5, read_matlab, read_numpy, write_hdf5
from restore_mri.kspace.cartesian import remove_oversampling
from restore_mri.kspace.samples import to_image, to_kspace

from restore.files.task import Record

EXACT = 2e-6  # of values near 1: float32, and one transform of a few hundred numbers


def scan(ny=24, nx=20, count=3, seed=0) -> tuple[np.ndarray, np.ndarray]:
    """Coil pictures (coil, ny, nx) and their k-space."""
    images = coils(count, ny, nx) * picture(ny, nx, seed=seed)
    return images, transform(images)


def close(found: torch.Tensor, truth: np.ndarray) -> bool:
    return tuple(found.shape) == truth.shape and np.abs(found.numpy() - truth).max() < EXACT * 10


def saved(path: Path, array: np.ndarray) -> Path:
    np.save(path, array)
    return path


def with_columns(kspace: np.ndarray, kept: np.ndarray) -> np.ndarray:
    return np.where(kept, kspace, 0).astype(np.complex64)


# NumPy


@pytest.mark.parametrize("lead", [(), (3,), (2, 3)])
def test_the_axes_of_an_array_go_by_their_number(lead, tmp_path):
    kspace = transform(np.broadcast_to(picture(15, 12), (*lead, 15, 12)))
    record = read_numpy(saved(tmp_path / "k.npy", kspace))
    assert record.kind == "kspace" and record.signal.dtype == torch.complex64
    assert close(record.signal, kspace.reshape(*[1] * (2 - len(lead)), *lead, 15, 12))
    assert record.meta["mask"] is None and record.meta["converted"] == []


@pytest.mark.parametrize("size", [(24, 20), (25, 17), (24, 17)])
@pytest.mark.parametrize(
    "stored",
    [
        lambda x: np.fft.fft2(x, norm="ortho"),
        lambda x: np.fft.fft2(np.fft.ifftshift(x), norm="ortho"),
        lambda x: np.fft.fftshift(np.fft.fft2(x, norm="ortho")),
        lambda x: np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(x), norm="ortho")),
    ],
    ids=["no shifts", "origin in the middle", "frequencies shifted only", "ours"],
)
def test_every_convention_gives_the_picture_where_it_belongs(size, stored, tmp_path):
    truth = picture(*size)
    record = read_numpy(saved(tmp_path / "k.npy", stored(truth)))
    assert close(to_image(record.signal)[0, 0], truth)
    assert (record.meta["converted"] == []) == close(record.signal[0, 0], stored(truth))


def test_a_peak_near_the_middle_is_left_there(tmp_path):
    _, kspace = scan()
    moved = np.roll(kspace, (1, -2), (1, 2))
    record = read_numpy(saved(tmp_path / "k.npy", moved))
    assert torch.equal(record.signal[0], torch.from_numpy(moved))


def test_what_peaks_elsewhere_is_refused(tmp_path):
    _, kspace = scan()
    with pytest.raises(ValueError, match=r"k\.npy: .* row 18 of 24, neither in the middle nor"):
        read_numpy(saved(tmp_path / "k.npy", np.roll(kspace, 6, 1)))


def test_exact_zeros_of_all_coils_were_not_measured(tmp_path):
    _, kspace = scan()
    kept = np.arange(20) % 3 != 0
    kspace[0, 5, 7] = 0  # of one coil: that is measured
    record = read_numpy(saved(tmp_path / "k.npy", with_columns(kspace, kept)))
    assert np.array_equal(record.meta["mask"].numpy(), np.broadcast_to(kept, (24, 20)))
    assert record.meta["phase_axis"] == -1
    rows = with_columns(kspace.swapaxes(1, 2), kept[:, None])
    assert read_numpy(saved(tmp_path / "k.npy", rows)).meta["phase_axis"] == -2


def test_slices_have_masks_of_their_own_where_these_differ(tmp_path):
    _, kspace = scan()
    kept = np.stack([np.arange(20) % 2 == 0, np.arange(20) % 3 != 0])[:, None, None]
    record = read_numpy(saved(tmp_path / "k.npy", with_columns(kspace[None], kept)))
    assert record.meta["mask"].shape == (2, 24, 20)
    assert torch.equal(record.meta["mask"][1, 0], torch.from_numpy(kept[1, 0, 0]))


def test_a_blank_slice_was_measured_like_the_others(tmp_path):
    _, kspace = scan()
    kept = np.arange(20) % 3 != 0
    stack = np.stack([with_columns(kspace, kept), np.zeros_like(kspace)])
    assert read_numpy(saved(tmp_path / "k.npy", stack)).meta["mask"][0].tolist() == kept.tolist()


def test_a_single_zero_is_a_measured_one(tmp_path):
    kspace = transform(picture(64, 64))
    kspace[3, 4] = 0
    assert read_numpy(saved(tmp_path / "k.npy", kspace)).meta["mask"] is None


def test_an_archive_brings_mask_and_maps(tmp_path):
    _, kspace = scan()
    kept = np.arange(20) % 4 != 1
    sensitivity = coils(3, 24, 20)
    path = tmp_path / "k.npz"
    np.savez(path, kspace=kspace, mask=kept, maps=sensitivity)
    record = read_numpy(path)
    assert torch.equal(record.meta["mask"], torch.from_numpy(kept).expand(24, 20))
    assert np.array_equal(record.meta["maps"][0], sensitivity)


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"a": np.ones((8, 8))}, "no complex array of k-space, but a (float64 8x8)"),
        (
            {"a": np.ones((8, 8), complex), "b": np.ones((9, 9), complex)},
            "several complex arrays, a (complex128 8x8), b (complex128 9x9)",
        ),
        ({"kspace": np.ones((8, 8), complex), "mask": np.ones((3, 3))}, "the mask is 3x3"),
        (
            {"kspace": transform(picture(8, 8)), "maps": np.ones((4, 8, 8), complex)},
            "the coil maps are 1x4x8x8, the k-space 1x1x8x8",
        ),
    ],
)
def test_an_archive_that_is_unclear_is_refused(arrays, said, tmp_path):
    path = tmp_path / "k.npz"
    np.savez(path, **arrays)
    with pytest.raises(ValueError) as error:
        read_numpy(path)
    assert said in str(error.value) and str(path) in str(error.value)


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.ones((8, 8)), "k-space is complex, this array is float64 of 8x8"),
        (np.ones(8, complex), "the array is 8; k-space is"),
        (np.ones((1, 1, 1, 8, 8), complex), "the array is 1x1x1x8x8"),
        (np.full((8, 8), np.nan, complex), "not finite"),
        (np.full((8, 8), complex(0, np.inf)), "not finite"),
        (np.zeros((8, 8), complex), "zero"),
        (np.zeros((0, 8), complex), "empty"),
        (np.array([["x"]]), "complex"),
    ],
)
def test_an_array_that_is_no_kspace_is_refused_in_one_line(array, said, tmp_path):
    path = saved(tmp_path / "k.npy", array)
    with pytest.raises(ValueError) as error:
        read_numpy(path)
    assert said in str(error.value) and str(path) in str(error.value)
    assert "\n" not in str(error.value)


# MATLAB


def write_v73(path: Path, **arrays: np.ndarray) -> Path:
    """As MATLAB does: a block before HDF5, axes backwards, complex as real and imag."""
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, array in arrays.items():
            turned = np.asarray(array).T
            if np.iscomplexobj(turned):
                parts = np.empty(turned.shape, [("real", "<f8"), ("imag", "<f8")])
                parts["real"], parts["imag"] = turned.real, turned.imag
                turned = parts
            file[name] = turned
    return path


def write_v5(path: Path, **arrays: np.ndarray) -> Path:
    scipy.io.savemat(path, arrays)
    return path


@pytest.mark.parametrize("write", [write_v5, write_v73])
@pytest.mark.parametrize(
    "turned",
    [
        lambda k: k,  # (coil, ky, kx)
        lambda k: k.transpose(1, 2, 0),
        lambda k: k.transpose(1, 2, 0)[:, :, None, :],
    ],
    ids=["coils first", "coils last", "one slice"],
)
def test_matlab_files_of_both_versions_hold_the_same(write, turned, tmp_path):
    _, kspace = scan()
    record = read_matlab(write(tmp_path / "k.mat", raw=turned(kspace), te=np.eye(2)))
    assert close(record.signal, kspace[None])
    assert "raw" in record.meta["converted"][0]


def test_kspace_is_found_in_a_structure(tmp_path):
    _, kspace = scan()
    path = write_v5(tmp_path / "k.mat", scan={"data": kspace, "te": 3.0})
    assert close(read_matlab(path).signal, kspace[None])


@pytest.mark.parametrize("write", [write_v5, write_v73])
@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"x": np.ones((8, 8))}, "no complex array of k-space, but x"),
        ({"x": np.eye(8) * 1j, "y": np.eye(9) * 1j}, "several complex arrays, x"),
        ({"x": np.ones((8, 8, 2, 3)) * 1j}, "which axes are coils and slices is not said"),
        ({"x": np.ones((8, 4, 9)) * 1j}, "which axes are coils"),
        ({"x": np.ones((8, 8, 8)) * 1j}, "which axes are coils"),
    ],
)
def test_an_unclear_matlab_file_is_refused(write, arrays, said, tmp_path):
    with pytest.raises(ValueError, match=said):
        read_matlab(write(tmp_path / "k.mat", **arrays))


def test_a_file_that_is_no_matlab_file_is_refused(tmp_path):
    path = tmp_path / "k.mat"
    path.write_bytes(b"nothing of the kind" * 40)
    with pytest.raises(ValueError, match=r"k\.mat: "):
        read_matlab(path)


# BART


def write_cfl(path: Path, array: np.ndarray) -> Path:
    """array: in BART's order of dimensions."""
    dims = [*array.shape, *[1] * (16 - array.ndim)]
    path.with_suffix(".hdr").write_text("# Dimensions\n" + " ".join(map(str, dims)) + "\n")
    array.astype(np.complex64).ravel(order="F").tofile(path.with_suffix(".cfl"))
    return path


@pytest.mark.parametrize("suffix", [".cfl", ".hdr"])
@pytest.mark.parametrize("first", [False, True])
def test_bart_planes(suffix, first, tmp_path):
    _, kspace = scan()
    turned = kspace.transpose(2, 1, 0)  # (x, y, coil)
    array = turned[None] if first else turned[:, :, None]
    record = read_bart(write_cfl(tmp_path / f"k{suffix}", array))
    assert close(record.signal, kspace[None])


def test_the_slices_and_echoes_of_bart_are_the_first_axis(tmp_path):
    images = [scan(seed=seed)[1] for seed in range(6)]
    array = np.zeros((20, 24, 1, 3, 1, 2, *[1] * 7, 3), np.complex64)
    for i, kspace in enumerate(images):
        array[:, :, 0, :, 0, i % 2, 0, 0, 0, 0, 0, 0, 0, i // 2] = kspace.transpose(2, 1, 0)
    assert close(read_bart(write_cfl(tmp_path / "k.cfl", array)).signal, np.stack(images))


def test_a_volume_of_bart_becomes_slices_along_its_readout(tmp_path):
    image = picture(10, 12, 16)  # (x, y, z)
    array = transform(image, (0, 1, 2))[..., None]
    record = read_bart(write_cfl(tmp_path / "k.cfl", array))
    assert close(to_image(record.signal)[:, 0], image)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda p: p.with_suffix(".hdr").unlink(), r"k\.hdr is missing"),
        (lambda p: p.with_suffix(".cfl").write_bytes(b"12345678"), "holds 8 bytes"),
        (lambda p: p.with_suffix(".hdr").write_text("# Dimensions\n2 a 3\n"), "no line of dim"),
        (lambda p: p.with_suffix(".hdr").write_text("20 24 1 3\n"), "no line of dimensions"),
        (lambda p: write_cfl(p, np.ones((8, 8, 1, 2, 2))), "dimension 4 has 2 entries"),
        (lambda p: write_cfl(p, np.ones((8, 1, 1, 2))), "no plane of k-space"),
    ],
)
def test_a_broken_pair_of_bart_is_refused(spoil, said, tmp_path):
    _, kspace = scan()
    path = write_cfl(tmp_path / "k.cfl", kspace.transpose(2, 1, 0)[:, :, None])
    spoil(path)
    with pytest.raises(ValueError, match=said):
        read_bart(path)


# fastMRI


def fastmri(path: Path, **options) -> tuple[np.ndarray, Record]:
    """Two slices, three coils, 32x20 of which 18 columns lie within the limits: 1 to 18."""
    images = np.stack([scan(32, 20, seed=seed)[0] for seed in range(2)])
    header = options.pop("header", xml((32, 20, 1), (16, 20, 1), limits=[(17, 9)]))
    kspace = transform(images)
    kspace[..., [0, 19]] = 0
    return kspace, read_hdf5(write_fastmri(path, kspace, header, **options))


def test_the_padding_of_fastmri_was_not_measured(tmp_path):
    kspace, record = fastmri(tmp_path / "k.h5")
    inside = (np.arange(20) >= 1) & (np.arange(20) <= 18)
    assert close(record.signal, kspace)
    assert np.array_equal(record.meta["mask"].numpy(), np.broadcast_to(inside, (32, 20)))
    assert record.meta["phase_axis"] == -1
    assert record.meta["crop"] == (16, 20)
    assert record.meta["attributes"] == {"acquisition": "AXT2"}


def test_padding_is_told_by_the_header_even_if_it_is_not_zero(tmp_path):
    _, kspace = scan(32, 20)
    header = xml((32, 20, 1), (16, 20, 1), limits=[(15, 9)])
    record = read_hdf5(write_fastmri(tmp_path / "k.h5", kspace[None], header))
    assert record.meta["mask"][0].tolist() == [1 <= i <= 16 for i in range(20)]


def test_the_voxels_of_fastmri(tmp_path):
    _, record = fastmri(tmp_path / "k.h5")
    assert record.meta["geometry"].spacing == pytest.approx((4.0, 1.5, 2.0))
    middle = record.meta["geometry"].affine @ [10, 8, 1, 1]  # of 20, 16 and 2
    assert middle[:3] == pytest.approx([0, 0, 0])


def test_one_coil_a_mask_and_a_target(tmp_path):
    _, kspace = scan(32, 20, 1)
    kept = np.arange(20) % 2 == 0
    target = np.random.default_rng(0).random((1, 16, 16), np.float32)
    path = write_fastmri(
        tmp_path / "k.h5",
        with_columns(kspace, kept),
        xml((32, 20, 1), (16, 16, 1)),
        mask=kept.astype(np.float32),
        reconstruction_esc=target,
    )
    record = read_hdf5(path)
    assert record.signal.shape == (1, 1, 32, 20)
    assert record.meta["mask"][7].tolist() == kept.tolist()
    assert np.array_equal(record.meta["target"], target[None])
    assert record.meta["crop"] == (16, 16)


def test_a_reconstruction_larger_than_the_data_is_cropped_to_them(tmp_path):
    _, record = fastmri(tmp_path / "k.h5", header=xml((32, 20, 1), (16, 512, 1)))
    assert record.meta["crop"] == (16, 20)
    assert "16x512, is larger than the data, 32x20" in record.meta["converted"][0]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        ({"kspace": np.ones((2, 8, 8))}, "complex"),
        ({"kspace": np.ones((1, 2, 3, 8, 8), complex)}, "its k-space is 1x2x3x8x8"),
        ({"kspace": np.ones((8, 8), complex)}, "its k-space is 8x8"),
        ({"ismrmrd_header": b"<a><b>"}, "broken XML"),
        ({"ismrmrd_header": b"<a></a>"}, "describes no encoding"),
        ({"mask": np.ones(7)}, "the mask is 7"),
    ],
)
def test_a_broken_fastmri_file_is_refused(spoil, said, tmp_path):
    path = tmp_path / "k.h5"
    _, kspace = scan(32, 20)
    whole = {"kspace": kspace[None], "ismrmrd_header": xml((32, 20, 1), (16, 20, 1)), **spoil}
    with h5py.File(path, "w") as file:
        for name, value in whole.items():
            file[name] = value
    with pytest.raises(ValueError, match=said) as error:
        read_hdf5(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("kept", [10, 600, 0.9])
def test_truncated_hdf5_is_refused(kept, tmp_path):
    path = tmp_path / "k.h5"
    fastmri(path)
    content = path.read_bytes()
    path.write_bytes(content[: kept if kept > 1 else int(kept * len(content))])
    with pytest.raises(ValueError, match=r"k\.h5: "):
        read_hdf5(path)


def test_hdf5_of_something_else_says_what_it_holds(tmp_path):
    with h5py.File(tmp_path / "k.h5", "w") as file:
        file["exchange/data"] = np.ones(3)
    with pytest.raises(ValueError, match="it holds exchange; fastMRI files hold kspace"):
        read_hdf5(tmp_path / "k.h5")


# our own k-space files


def same(one: object, other: object) -> bool:
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and torch.equal(one, other)
    if isinstance(one, Geometry):
        return np.array_equal(one.affine, other.affine)
    return one == other


def test_kspace_written_is_read_back_identically(tmp_path):
    generator = torch.Generator().manual_seed(0)
    signal = torch.randn(2, 3, 9, 8, dtype=torch.complex64, generator=generator)
    mask = torch.rand(2, 9, 8, generator=generator) < 0.5
    affine = np.diag([-2.0, -1.5, 4.0, 1.0])
    meta = {
        "mask": mask,
        "crop": (6, 8),
        "maps": torch.randn(1, 3, 9, 8, dtype=torch.complex64, generator=generator),
        "noise": 0.0123,
        "phase_axis": -1,
        "geometry": Geometry(affine),
        "converted": ["this was done", "and that"],
        "trajectory": None,
        "target": torch.rand(1, 2, 6, 8, generator=generator),
        "attributes": {"acquisition": "AXT2"},
        "header": xml((8, 9, 1), (8, 6, 1)),
    }
    path = tmp_path / "measurement.h5"
    write_hdf5(Record(signal * mask[:, None], "kspace", None, meta), path)
    back = read_hdf5(path)
    assert torch.equal(back.signal, signal * mask[:, None])
    differ = [key for key, value in meta.items() if not same(value, back.meta[key])]
    assert not differ
    assert [p.name for p in tmp_path.iterdir()] == ["measurement.h5"]


def test_samples_along_a_trajectory_are_read_back_identically(tmp_path):
    generator = torch.Generator().manual_seed(0)
    signal = torch.randn(1, 2, 30, dtype=torch.complex64, generator=generator)
    places = torch.rand(30, 2, generator=generator) * 8 - 4
    meta = {"trajectory": places, "shape": (8, 8), "noise": 1.0}
    path = tmp_path / "measurement.h5"
    write_hdf5(Record(signal, "kspace", None, meta), path)
    back = read_hdf5(path)
    assert torch.equal(back.signal, signal)
    assert all(same(value, back.meta[key]) for key, value in meta.items())


# oversampling


@pytest.mark.parametrize(("axis", "size"), [(-1, None), (-2, 11), (-1, 7)])
def test_without_oversampling_the_middle_of_the_picture_is_left(axis, size):
    images = torch.from_numpy(coils(3, 24, 20) * picture(24, 20))[None]
    meta = {"mask": None, "geometry": Geometry(np.diag([-2.0, -1.5, 4.0, 1.0])), "crop": None}
    record = remove_oversampling(Record(to_kspace(images), "kspace", None, meta), axis, size)
    n = images.shape[axis]
    size = n // 2 if size is None else size
    start = n // 2 - size // 2
    kept = to_image(record.signal)
    assert close(kept, images.narrow(axis, start, size).numpy())
    voxel = np.array([0, 0, 0, 1])
    voxel[0 if axis == -1 else 1] = start
    assert record.meta["geometry"].affine[:, 3] == pytest.approx(np.diag([-2, -1.5, 4, 1]) @ voxel)


def test_oversampling_keeps_masks_maps_and_the_level_of_noise():
    generator = torch.Generator().manual_seed(1)
    noise = torch.randn(1, 2, 64, 64, dtype=torch.complex64, generator=generator)
    mask = (torch.arange(64) % 2 == 0)[:, None].expand(64, 64)
    maps = torch.randn(1, 2, 64, 64, dtype=torch.complex64, generator=generator)
    meta = {"mask": mask, "maps": maps, "crop": (48, 48)}
    record = remove_oversampling(Record(noise * mask, "kspace", None, meta), -1)
    assert torch.equal(record.meta["mask"], mask[:, :32])
    assert torch.equal(record.meta["maps"], maps[..., 16:48])
    assert record.meta["crop"] == (48, 32)
    assert not record.signal[..., ~record.meta["mask"]].any()
    level = record.signal[..., record.meta["mask"]].abs().square().mean().item()
    assert level == pytest.approx(1, abs=0.1)  # 2048 samples: 3 standard errors


def test_an_undersampled_axis_is_no_readout():
    mask = (torch.arange(8) % 2 == 0).expand(8, 8)
    with pytest.raises(ValueError, match="columns are not all measured"):
        remove_oversampling(
            Record(torch.ones(1, 1, 8, 8) * (1 + 0j), "kspace", None, {"mask": mask}), -1
        )


# files of others, where they lie beside this checkout


@pytest.mark.parametrize(
    ("name", "read", "shape", "share"),
    [
        ("mchiew_sense_raw_data.mat", read_matlab, (1, 16, 96, 96), None),
        ("larson_se_t1_sag_data.mat", read_matlab, (1, 1, 256, 256), None),
        ("larson_coronal_fatsat_2D_knee.mat", read_matlab, (1, 1, 332, 640), None),
        ("bartws_brain_ksp.cfl", read_bart, (1, 8, 230, 180), 0.127),
        ("sigpy_tutorial_cartesian_ksp.npy", read_numpy, (1, 8, 230, 180), 0.124),
        ("mrireco_acqDataBrainSim100.h5", read_hdf5, (1, 1, 256, 256), None),
    ],
)
def test_real_files(name, read, shape, share, shared_data):
    path = shared_data / "mri" / name
    if not path.exists():
        pytest.skip(f"{name} is not among the shared data")
    record = read(path)
    assert record.signal.shape == shape and record.meta["geometry"] is None
    mask = record.meta["mask"]
    assert (None if mask is None else round(mask.float().mean().item(), 3)) == share
    image = to_image(record.signal)[0].abs().square().sum(0)
    corners = [
        image[y, x] for y in (slice(8), slice(-8, None)) for x in (slice(8), slice(-8, None))
    ]
    # heads and knees lie in the middle of the field of view, whose corners are air
    assert max(corner.mean() for corner in corners) < 0.7 * image.mean()


def test_a_real_picture_is_no_kspace(shared_data):
    path = shared_data / "mri" / "dipy_t1_coronal_slice.npy"
    if not path.exists():
        pytest.skip(f"{path.name} is not among the shared data")
    with pytest.raises(ValueError, match="k-space is complex, this array is float64 of 256x256"):
        read_numpy(path)
