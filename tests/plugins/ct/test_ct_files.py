"""Files of CT: what is written comes back, real files are read, bad ones get one clear line."""

import math

import h5py
import numpy as np
import pytest
import torch
import yaml
from restore_ct import physics
from restore_ct.files import hdf5, numpy_arrays
from restore_ct.files.matlab import read_mat
from restore_ct.scan import grid, scan
from restore_dicom.geometry import Geometry
from scipy.io import savemat

from restore.files.task import Record
from restore.plugins.discovery import catalog

READ = {".h5": hdf5.read_hdf5, ".npy": numpy_arrays.read_npy, ".npz": numpy_arrays.read_npz}
WRITE = {".h5": hdf5.write_hdf5, ".npy": numpy_arrays.write_npy, ".npz": numpy_arrays.write_npz}
every = pytest.mark.parametrize("extension", READ)
FAN = {
    "beam": "fan-curved", "pitch": 1.25, "offset": 0.3125, "source_radius": 570.0,
    "detector_radius": 470.0, "centre": 0.0,
}  # fmt: skip


def measured(kind="sinogram", size=(2, 5, 7), seed=0, **more):
    counts = np.random.default_rng(seed).poisson(400.0, size).astype(np.float32)
    signal = counts if kind == "counts" else -np.log(counts / 1000)
    angles = np.linspace(0, math.pi, size[1], endpoint=False)
    return scan(signal, None, kind=kind, angles=angles, format="made", counts0=1e3, **more)


def assert_same(first: Record, second: Record) -> None:
    """The same scan; only where it comes from may differ."""
    assert first.kind == second.kind and torch.equal(first.signal, second.signal)
    apart = ("format", "converted")
    for name in (first.meta.keys() | second.meta.keys()) - set(apart):
        one, other = first.meta.get(name), second.meta.get(name)
        if isinstance(one, torch.Tensor):
            assert torch.equal(one, other) and one.dtype == other.dtype, name
        else:
            assert one == other and type(one) is type(other), name


# round trips


@every
@pytest.mark.parametrize(
    "more",
    [
        {},
        {"kind": "counts", "electronic": 4.5},
        {"shape": (33, 40), "pixel": 0.7, "offset": -1.5, "centre": -1.5, "pitch": 0.35},
        {**FAN, "electronic": 2.0, "mu_water": 0.019},
        {"length": "bin"},
    ],
)
def test_a_scan_comes_back_as_it_was(tmp_path, extension, more):
    path = tmp_path / f"scan{extension}"
    record = measured(**more)
    WRITE[extension](record, path)
    assert_same(record, READ[extension](path))
    assert READ[extension](path).source == path


@pytest.mark.parametrize("extension", [".h5", ".npz"])
def test_weights_and_dead_pixels_come_back(tmp_path, extension):
    live = np.ones((2, 1, 7), bool)
    live[1, 0, 3] = False
    counts0 = np.full((2, 1, 7), 900.0)
    record = measured(weights=np.random.default_rng(1).random((2, 5, 7)), live=live)
    record = Record(
        record.signal, record.kind, None, {**record.meta, "counts0": torch.tensor(counts0)}
    )
    path = tmp_path / f"scan{extension}"
    WRITE[extension](record, path)
    back = READ[extension](path)
    assert torch.equal(back.meta["weights"], record.meta["weights"])
    assert torch.equal(back.meta["live"], torch.tensor(live))
    assert back.meta["counts0"].shape == (2, 1, 7)
    with pytest.raises(ValueError, match="NPY has no room for the weights"):
        numpy_arrays.write_npy(record, tmp_path / "scan.npy")
    assert not (tmp_path / "scan.npy").exists()


@every
@pytest.mark.parametrize("kind", ["volume", "std"])
def test_a_result_comes_back_with_its_place(tmp_path, extension, kind):
    affine = np.diag([-0.7, -0.7, 3.0, 1.0])
    signal = torch.randn(1, 2, 5, 6, generator=torch.Generator().manual_seed(0))
    meta = {"geometry": Geometry(affine), "units": "HU", "derivation": {"tool": "restore"}}
    path = tmp_path / f"restored{extension}"
    WRITE[extension](Record(signal, kind, None, meta), path)
    back = READ[extension](path)
    assert back.kind == kind and torch.equal(back.signal, signal)
    assert back.meta["units"] == "HU" and back.meta["derivation"] == {"tool": "restore"}
    np.testing.assert_allclose(back.meta["geometry"].affine, affine)


def test_the_layout_of_a_result_is_what_is_documented(tmp_path):
    geometry = Geometry(np.diag([-0.7, -0.8, 3.0, 1.0]))
    meta = {"geometry": geometry, "units": "HU", "derivation": {"seed": "0"}}
    for kind, name in [("volume", "reconstruction"), ("std", "reconstruction_std")]:
        hdf5.write_hdf5(Record(torch.ones(1, 2, 3, 4), kind, None, meta), tmp_path / "a.h5")
        with h5py.File(tmp_path / "a.h5") as file:
            dataset = file[name]
            assert dataset.shape == (2, 3, 4) and dataset.dtype == np.float32
            assert dataset.attrs["units"] == "HU"
            np.testing.assert_allclose(dataset.attrs["spacing"], [3.0, 0.8, 0.7])
            assert dataset.attrs["derivation"] == '{"seed": "0"}'


@every
def test_a_volume_that_is_not_finite_is_not_written(tmp_path, extension):
    broken = Record(torch.full((1, 1, 2, 2), math.nan), "volume", None, {})
    with pytest.raises(ValueError, match="not finite"):
        WRITE[extension](broken, tmp_path / f"a{extension}")
    with pytest.raises(ValueError, match="holds scans and volumes here, got kind"):
        WRITE[extension](Record(torch.ones(1, 2, 2), "image"), tmp_path / f"a{extension}")
    assert not list(tmp_path.iterdir())


# DXchange


def dxchange(path, views=12, bins=(2, 20), **changed):
    """A small file, its parts replaced or, with None, left out."""
    rng = np.random.default_rng(0)
    p = np.linspace(0, 1, views)[:, None, None] * np.ones(bins)
    parts = {
        "data": 100 + rng.poisson(5000 * np.exp(-p)),
        "data_white": 100 + rng.poisson(5000, (20, *bins)),
        "data_dark": np.full((3, *bins), 100.0),
        "theta": np.arange(views) * 180.0 / views,
        **changed,
    }
    with h5py.File(path, "w") as file:
        for name, value in parts.items():
            if value is not None:
                file[f"exchange/{name}"] = value
    return path


def test_dxchange_becomes_line_integrals_with_weights(tmp_path):
    record = hdf5.read_hdf5(dxchange(tmp_path / "a.h5"))
    assert record.signal.shape == (2, 12, 20) and record.kind == "sinogram"
    expected = torch.linspace(0, 1, 12)[:, None]
    scaled = (record.signal - expected) * record.meta["weights"].sqrt()
    assert scaled.std().item() == pytest.approx(1, abs=0.15)  # 480 values, 20 flat fields
    np.testing.assert_allclose(record.meta["angles"], np.arange(12) * math.pi / 12)
    assert record.meta["gain"] == pytest.approx(1, rel=0.2)
    assert record.meta["length"] == "bin" and record.meta["centre"] is None


def test_the_tooth_of_tomopy(shared_data):
    path = shared_data / "ct" / "tomopy_tooth.h5"
    if not path.exists():
        pytest.skip("the tooth is not among the shared data")
    record = hdf5.read_hdf5(path)
    assert record.signal.shape == (2, 181, 640) and record.meta["beam"] == "parallel"
    above = (record.signal < 0).double().mean().item()
    assert above == pytest.approx(0.12, abs=0.005)  # transmissions above one, kept
    # in air views differ by noise alone: the weights, from the flat fields, must foretell it
    air = record.signal[:, :, :40]
    noise = (air[:, 1:] - air[:, :-1]).std().item() / 2**0.5
    foretold = record.meta["weights"][:, :, :40].mean().rsqrt().item()
    assert noise == pytest.approx(foretold, rel=0.05)


def test_the_detectors_own_pitch_is_taken_with_its_unit(tmp_path):
    path = dxchange(tmp_path / "a.h5")
    with h5py.File(path, "a") as file:
        file["measurement/instrument/detector/pixel_size_x"] = 1.3
        file["measurement/instrument/detector/pixel_size_x"].attrs["units"] = "micron"
    record = hdf5.read_hdf5(path)
    assert record.meta["pitch"] == pytest.approx(1.3e-3) and record.meta["length"] == "mm"


def test_without_enough_fields_the_noise_stays_unknown(tmp_path):
    one = hdf5.read_hdf5(dxchange(tmp_path / "a.h5", data_white=np.full((1, 2, 20), 5100.0)))
    assert one.meta["weights"] is None and "noise" in one.meta["converted"][-1]
    dark = hdf5.read_hdf5(dxchange(tmp_path / "b.h5", data_dark=None))
    assert any("no dark fields" in sentence for sentence in dark.meta["converted"])


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({"theta": None}, "exchange/theta, the angles, is missing"),
        ({"theta": np.arange(11.0)}, "exchange/theta holds 11 angles for 12 projections"),
        ({"data_white": None}, "the flat fields, are missing"),
        ({"data_white": np.ones((4, 2, 19))}, "projections are 2x20, the flat fields 2x19"),
        ({"data": np.ones((12, 20))}, "exchange/data must be numbers"),
        ({"data": np.full((12, 2, 20), np.nan)}, "not finite"),
    ],
)
def test_a_dxchange_file_that_lacks_something_is_refused(tmp_path, changed, line):
    path = dxchange(tmp_path / "a.h5", **changed)
    with pytest.raises(ValueError, match=line) as error:
        hdf5.read_hdf5(path)
    assert str(error.value).startswith(f"{path}: ") and "\n" not in str(error.value)


def test_angles_of_an_unknown_unit_are_refused(tmp_path):
    path = dxchange(tmp_path / "a.h5")
    with h5py.File(path, "a") as file:
        file["exchange/theta"].attrs["units"] = "gradians"
    with pytest.raises(ValueError, match="the unit of the angles is 'gradians'"):
        hdf5.read_hdf5(path)


def test_a_file_that_is_cut_off_is_refused(tmp_path):
    path = tmp_path / "a.h5"
    hdf5.write_hdf5(measured(size=(2, 50, 70)), path)
    whole = path.read_bytes()
    for length in (0, 3, len(whole) // 2, len(whole) - 100):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"a\.h5") as error:
            hdf5.read_hdf5(path)
        assert "\n" not in str(error.value)


def test_other_hdf5_files_are_refused_by_what_they_hold(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["kspace"] = np.ones(3)
    with pytest.raises(ValueError, match=r"neither DXchange .* it holds kspace"):
        hdf5.read_hdf5(path)


def test_any_dataset_is_read_with_a_geometry_beside_it(tmp_path):
    path, array = tmp_path / "a.h5", np.random.default_rng(0).random((3, 4, 6))
    with h5py.File(path, "w") as file:
        file["data"] = array
    path.with_suffix(".yaml").write_text(GOOD)
    record = hdf5.read_hdf5(path)
    np.testing.assert_allclose(record.signal, array, rtol=1e-6)
    assert record.meta["pitch"] == 0.5
    path.with_suffix(".yaml").write_text(GOOD + "dataset: scans/one\n")
    with pytest.raises(ValueError, match="no dataset 'scans/one'; it holds data"):
        hdf5.read_hdf5(path)


# NPY and NPZ with YAML


def with_yaml(path, text, array=None):
    array = np.ones((4, 6), np.float32) if array is None else array
    np.save(path, array)
    path.with_suffix(".yaml").write_text(text)
    return path


GOOD = "angles: {start: 0, stop: 180, count: 4, unit: degrees}\npitch: 0.5\n"


def test_a_geometry_in_yaml_is_read(tmp_path):
    path = with_yaml(tmp_path / "a.npy", GOOD + "counts0: 1e5\noffset: -2\nshape: [8, 9]\n")
    record = numpy_arrays.read_npy(path)
    assert record.signal.shape == (1, 4, 6)
    np.testing.assert_allclose(record.meta["angles"], np.deg2rad([0, 45, 90, 135]))
    assert record.meta["pitch"] == 0.5 and record.meta["offset"] == -2
    assert record.meta["counts0"] == 1e5 and record.meta["shape"] == (8, 9)


@pytest.mark.parametrize(
    ("angles", "expected"),
    [
        ("{start: 0, stop: 180, count: 4, endpoint: true, unit: degrees}", [0, 60, 120, 180]),
        ("{values: [3, 1, 2, 200], unit: degrees}", [3, 1, 2, 200]),
        ("{values: [0, 0.5, 1, 1.5], unit: radians}", np.rad2deg([0, 0.5, 1, 1.5])),
    ],
)
def test_angles_are_listed_or_counted(tmp_path, angles, expected):
    record = numpy_arrays.read_npy(with_yaml(tmp_path / "a.npy", f"angles: {angles}\npitch: 1\n"))
    np.testing.assert_allclose(record.meta["angles"], np.deg2rad(expected))


def test_axes_are_put_in_order(tmp_path):
    array = np.arange(24.0).reshape(6, 4)
    record = numpy_arrays.read_npy(
        with_yaml(tmp_path / "a.npy", GOOD + "axes: [bin, view]\n", array)
    )
    np.testing.assert_array_equal(record.signal[0], array.T)
    array = np.arange(48.0).reshape(4, 2, 6)
    path = with_yaml(tmp_path / "b.npy", GOOD + "axes: view, slice, bin\n", array)
    np.testing.assert_array_equal(numpy_arrays.read_npy(path).signal, array.transpose(1, 0, 2))


def test_lengths_have_a_unit(tmp_path):
    record = numpy_arrays.read_npy(with_yaml(tmp_path / "a.npy", GOOD + "length: cm\noffset: 1\n"))
    assert record.meta["pitch"] == 5 and record.meta["offset"] == 10


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("pitch: 1\n", "the angles of the views are missing"),
        ("angles: {start: 0, stop: 180, count: 4}\n", "the unit of the angles is missing"),
        ("angles: [0, 1, 2, 3]\n", "the unit of the angles is missing"),
        ("angles: {start: 0, stop: 9, count: 4, unit: turns}\n", "the unit of the angles is"),
        ("angles: {start: 0, count: 4, unit: deg}\n", "stop is missing"),
        ("angles: {start: 0, stop: 9, count: 7, unit: deg}\n", "7 angles for a sinogram of 1x4x6"),
        ("angles: {start: 0, stop: 9, count: 6, unit: deg}\n", "its views may be its last axis"),
        (GOOD + "length: inch\n", "the unit of length is one of mm"),
        (GOOD + "beam: cone\n", "the beam is one of parallel"),
        (GOOD + "beam: fan-flat\n", "source_radius is missing"),
        (GOOD + "ofset: 2\n", "did you mean 'offset'"),
        (GOOD + "axes: [view, channel]\n", "axes must name the 2 axes of 4x6"),
        (GOOD + "kind: image\n", "kind is one of sinogram"),
        (GOOD + "kind: counts\n", "counts want counts0"),
        (GOOD.replace("0.5", "-1"), "pitch must be positive"),
        (GOOD.replace("0.5", "wide"), "pitch must be a number, got 'wide'"),
        (GOOD + "shape: [3]\n", "the shape of the picture is two sizes"),
        (GOOD + "counts0: 0\n", "counts0 must be positive"),
        ("- 1\n", "must hold names and values"),
        ("a: [1\n", "is no YAML"),
    ],
)
def test_a_geometry_that_says_nonsense_is_refused(tmp_path, text, line):
    path = with_yaml(tmp_path / "a.npy", text)
    with pytest.raises(ValueError, match=line) as error:
        numpy_arrays.read_npy(path)
    assert str(error.value).startswith(f"{path}: ") and "\n" not in str(error.value)


def test_an_array_without_geometry_says_where_it_belongs(tmp_path):
    np.save(tmp_path / "a.npy", np.ones((4, 6)))
    with pytest.raises(ValueError, match=r"put angles, beam and pitch into a\.yaml beside it"):
        numpy_arrays.read_npy(tmp_path / "a.npy")


def test_negative_counts_need_the_noise_of_a_read_out(tmp_path):
    counts = np.full((4, 6), 5.0)
    counts[0, :2] = -3
    text = GOOD + "kind: counts\ncounts0: 100\n"
    path = with_yaml(tmp_path / "a.npy", text, counts)
    with pytest.raises(ValueError, match="2 of the counts are negative, the least -3"):
        numpy_arrays.read_npy(path)
    with_yaml(path, text + "electronic: 5\n", counts)
    assert numpy_arrays.read_npy(path).signal.min() == -3


@pytest.mark.parametrize(
    "array", [np.ones((4, 6), complex), np.full((4, 6), np.inf), np.array(["a"]), np.ones(())]
)
def test_what_is_no_sinogram_is_refused(tmp_path, array):
    path = with_yaml(tmp_path / "a.npy", GOOD, array)
    with pytest.raises(ValueError, match=r"a\.npy: "):
        numpy_arrays.read_npy(path)


def test_nothing_is_unpickled(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, np.array([{"a": 1}], object), allow_pickle=True)
    path.with_suffix(".yaml").write_text(GOOD)
    with pytest.raises(ValueError, match=r"Python.s objects"):
        numpy_arrays.read_npy(path)


def test_an_archive_may_hold_its_angles_or_leave_them_to_yaml(tmp_path):
    path, angles = tmp_path / "a.npz", np.arange(4) * 45.0
    np.savez(path, sinogram=np.ones((4, 6)), angles=angles, angles_unit="degrees", pitch=2.0)
    record = numpy_arrays.read_npz(path)
    np.testing.assert_allclose(record.meta["angles"], np.deg2rad(angles))
    assert record.meta["pitch"] == 2
    np.savez(path, counts=np.ones((4, 6)), counts0=5.0)
    path.with_suffix(".yaml").write_text(GOOD)
    assert numpy_arrays.read_npz(path).kind == "counts"
    path.with_suffix(".yaml").write_text(GOOD + "counts0: 3\n")
    with pytest.raises(ValueError, match="counts0 stands both in it and in its YAML"):
        numpy_arrays.read_npz(path)
    np.savez(path, signal=np.ones((4, 6)))
    with pytest.raises(ValueError, match=r"one array of the name sinogram or counts; it holds sig"):
        numpy_arrays.read_npz(path)


# MATLAB


def test_a_struct_of_the_helsinki_challenge_is_a_fan(tmp_path):
    path, sinogram = tmp_path / "a.mat", np.random.default_rng(0).random((5, 8))
    parameters = {
        "angles": np.arange(5) * 0.5, "distanceSourceOrigin": 410.66,
        "distanceSourceDetector": 553.74, "pixelSizePost": 0.2,
    }  # fmt: skip
    savemat(path, {"CtDataFull": {"sinogram": sinogram, "parameters": parameters}})
    record = read_mat(path)
    np.testing.assert_allclose(record.signal[0], sinogram, rtol=1e-6)
    assert record.meta["beam"] == "fan-flat" and record.meta["pitch"] == 0.2
    assert record.meta["detector_radius"] == pytest.approx(143.08)
    np.testing.assert_allclose(record.meta["angles"], np.deg2rad(np.arange(5) * 0.5))
    (rows, columns), pixel = grid(record)
    assert (rows, columns) == (8, 8) and pixel == pytest.approx(0.2 * 410.66 / 553.74)
    savemat(path, {"CtDataFull": {"sinogram": sinogram, "parameters": {"angles": [0.0]}}})
    with pytest.raises(ValueError, match="distanceSourceOrigin is missing"):
        read_mat(path)
    savemat(path, {"other": sinogram})
    with pytest.raises(ValueError, match=r"no CtDataFull or CtDataLimited .* but other"):
        read_mat(path)


# the plugin


def test_everything_that_is_registered_is_there():
    for kind in ("readers", "writers", "metrics"):
        entries = [entry for entry in catalog().registry(kind) if entry.plugin == "ct"]
        assert entries and all(callable(entry.load()) for entry in entries)


def test_the_yaml_beside_an_array_is_plain(tmp_path):
    numpy_arrays.write_npy(measured(**FAN), tmp_path / "a.npy")
    facts = yaml.safe_load((tmp_path / "a.yaml").read_text())
    assert facts["beam"] == "fan-curved" and facts["angles"]["unit"] == "radians"
    assert len(facts["angles"]["values"]) == 5


def test_the_picture_to_reconstruct_follows_from_the_bins():
    assert grid(measured(pitch=0.5)) == ((7, 7), 0.5)
    assert grid(measured(pitch=0.5, shape=(3, 4), pixel=2.0)) == ((3, 4), 2.0)


def test_counts_become_a_sinogram_with_weights():
    record = measured("counts", electronic=3.0)
    from restore_ct.noise import as_sinogram

    found = as_sinogram(record)
    torch.testing.assert_close(found.signal, physics.line_integrals(record.signal, 1e3))
    torch.testing.assert_close(found.meta["weights"], physics.weights(record.signal, 3.0))
    assert as_sinogram(found).meta["weights"] is found.meta["weights"]
    with pytest.raises(ValueError, match="of kind sinogram or counts, got 'image'"):
        as_sinogram(Record(torch.ones(1, 2, 2), "image"))
