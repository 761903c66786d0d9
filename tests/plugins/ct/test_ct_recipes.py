"""The recipes of CT from file to file, and the laws of what they pose."""

import json
import math
from pathlib import Path

import h5py
import nibabel
import numpy as np
import pydicom
import pydicom.data
import pytest
import torch
from click.testing import CliRunner
from restore_ct import priors
from restore_ct.operators import projector
from restore_ct.phantoms import phantoms
from restore_ct.recipes import ct as recipes
from restore_ct.recipes import denoise as denoising
from restore_ct.scan import scan
from restore_ct.training import augment, slices

from restore.cli import main
from restore.files.by_extension import read
from restore.files.problem import Settings
from restore.files.restoring import restore_file
from restore.files.simulating import simulate_file
from restore.files.task import Record
from restore.measurement.not_gaussian import Transmission

DATA = Path(__file__).resolve().parents[3].parent / "shared" / "data"


def small():
    return Path(pydicom.data.get_testdata_file("CT_small.dcm", download=False))


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A slice of 128x128 in 24 views, simulated on a finer grid; and its reference."""
    folder = tmp_path_factory.mktemp("sim") / "s"
    simulate_file(small(), folder, Settings.of("ct", {"views": 24, "counts": 1e5}, seed=1))
    return folder / "measurement.h5", folder / "reference.h5"


def run(source, folder, recipe="ct", options=None, **more):
    settings = Settings.of(recipe, options or {}, chains=3, steps=3, **more)
    return restore_file(source, folder, settings)


def test_a_simulated_scan_is_restored_in_hounsfield_units(measured, tmp_path, untrained):
    source, reference = measured
    facts = run(source, tmp_path / "o", prior=untrained, reference=reference, baseline="tv")
    baseline = facts["metrics"]["baseline"]
    assert baseline["rmse[HU]"] < 100 and baseline["psnr[ct-range]"] > 25
    assert "ssim[ct-window -160..240]" in facts["metrics"]["mean"]
    with h5py.File(tmp_path / "o/restored.h5") as file:
        assert file["reconstruction"].shape == (1, 128, 128)
    assert (tmp_path / "o/std.h5").exists() and (tmp_path / "o/baseline.h5").exists()
    page = (tmp_path / "o/report.html").read_text()
    assert "lung" in page and "bone" in page
    assert facts["facts"]["views"] == 24


def test_every_baseline_is_a_slice(measured):
    source, reference = measured
    task = recipes.solve_ct(read(source), None)
    truth = read(reference).signal
    errors = {}
    for name, answer in task.comparison.baselines.items():
        found = task.present(answer()).signal
        assert found.shape == truth.shape
        errors[name] = (found - truth).square().mean().sqrt().item()
    assert errors["tv"] < errors["fbp"] and errors["sirt"] < errors["fbp"]


def test_the_output_may_be_nifti_or_mha(measured, tmp_path, untrained):
    for ending in (".nii.gz", ".mha"):
        run(measured[0], tmp_path / ending, prior=untrained, format=ending)
        volume = read(tmp_path / ending / f"restored{ending}")
        assert volume.meta["geometry"].spacing[1:] == pytest.approx((0.661468, 0.661468))


def test_the_truth_explains_the_counts(measured):
    """Of the fine grid, the coarse truth leaves a chi-square near one."""
    task = recipes.solve_ct(read(measured[0]), None)
    truth = 1 + read(measured[1]).signal / 1000
    assert task.measurement.chi_square(truth[None]).item() == pytest.approx(1, abs=0.25)


def test_fewer_views_take_every_so_many(measured):
    record = read(measured[0])
    task = recipes.solve_ct(record, None, every=3)
    assert task.measurement.y.shape[-2] == 8 and task.facts["views"] == 8
    full = recipes.solve_ct(record, None)
    assert torch.equal(task.measurement.y, full.measurement.y[..., ::3, :])
    assert torch.equal(task.measurement.noise.std, full.measurement.noise.std[..., ::3, :])
    with pytest.raises(ValueError, match="every 30th"):
        recipes.solve_ct(record, None, every=30)


def test_the_counts_own_law_may_be_asked_for(measured):
    record = read(measured[0])
    task = recipes.solve_ct(record, None, likelihood="transmission")
    assert isinstance(task.measurement.noise, Transmission)
    with pytest.raises(ValueError, match="own noise"):
        recipes.solve_ct(record, 0.01, likelihood="transmission")


def disc_scan(axis, bins=64, views=60, **more):
    """Line integrals of an off-centre disc of water, its axis of rotation on a bin."""
    angles = torch.arange(views, dtype=torch.float64) * math.pi / views
    s = (torch.arange(bins, dtype=torch.float64) - axis)[None]
    x, y, radius = 6.0, -4.0, 14.0
    at = s - (x * angles.cos() + y * angles.sin())[:, None]
    chords = 0.0192 * 2 * (radius**2 - at.square()).clamp(min=0).sqrt()
    facts = {"angles": angles, "pitch": 1.0, "format": "test", **more}
    return scan(chords.float()[None], None, **facts)


@pytest.mark.parametrize("axis", [31.5, 35.2])
def test_the_axis_of_rotation_is_found(axis):
    record = disc_scan(axis)
    task = recipes.solve_ct(record, 0.01)
    assert task.facts["axis of rotation, estimated"] == pytest.approx(axis, abs=0.3)
    inside = task.comparison.input_shown.signal[0, 0, 30:42, 32:44]  # within the disc: water
    assert inside.mean() == pytest.approx(0, abs=30)
    given = recipes.solve_ct(record, 0.01, axis=axis)
    assert "axis of rotation, estimated" not in given.facts


def test_without_counts_the_noise_is_asked_for_or_estimated():
    record = disc_scan(31.5, centre=0.0)
    with pytest.raises(ValueError, match="--noise"):
        recipes.solve_ct(record, None)
    generator = torch.Generator().manual_seed(0)
    noisy = record.signal + 0.02 * torch.randn(record.signal.shape, generator=generator)
    found = recipes.estimate_noise(record.with_signal(noisy))
    assert found == pytest.approx(0.02, rel=0.1)


def test_a_scan_without_lengths_has_no_hounsfield_units():
    record = disc_scan(31.5, length="bin", centre=0.0)
    task = recipes.solve_ct(record, 0.01)
    assert task.present(torch.ones(1, 1, 64, 64)).meta["units"] == "1/bin"
    assert task.present(torch.ones(1, 1, 64, 64)).signal.mean() == pytest.approx(0.0192, rel=0.2)


def test_a_tooth_is_restored_on_its_true_axis():
    path = DATA / "ct" / "tomopy_tooth.h5"
    if not path.exists():
        pytest.skip("the tooth of TomoPy is not here")
    from restore.plugins.discovery import catalog

    record = read(path, catalog().entry("recipes", "ct"))
    task = recipes.solve_ct(record, None, size=128, pixel=5.0)
    assert 294.5 < task.facts["axis of rotation, estimated"] < 297
    scaled = task.comparison.input_shown.signal
    assert (scaled.quantile(0.99) / task.facts["water per length"]).item() == pytest.approx(
        1, abs=0.1
    )


def test_slices_are_denoised_into_derived_objects(tmp_path, untrained):
    target = tmp_path / "CT_small.dcm"
    target.write_bytes(small().read_bytes())
    facts = run(target, tmp_path / "o", "ct-denoise", noise="auto", prior=untrained)
    made, before = pydicom.dcmread(tmp_path / "o/restored.dcm"), pydicom.dcmread(target)
    assert made.SOPInstanceUID != before.SOPInstanceUID
    assert made.RescaleIntercept == before.RescaleIntercept
    assert made.ImagePositionPatient == before.ImagePositionPatient
    assert 1 < facts["noise"] * 1000 < 40  # HU, of a clinical slice
    assert json.loads((tmp_path / "o/report.json").read_text())["facts"]["noise in HU"] > 1


def test_slices_whose_file_names_no_units_are_seen_through_the_windows(tmp_path, untrained):
    values = np.random.default_rng(0).normal(0, 20, (64, 64, 2)).astype(np.float32)
    values[:8] = -1000  # air
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), tmp_path / "a.nii")
    run(tmp_path / "a.nii", tmp_path / "o", "ct-denoise", noise=20.0, prior=untrained)
    assert "restored (lung -1350..150)" in (tmp_path / "o/report.html").read_text()


def test_a_series_is_one_input_and_becomes_a_series(tmp_path, untrained):
    folder = tmp_path / "series"
    folder.mkdir()
    for number in range(3):  # file names in another order than the slices
        made = pydicom.dcmread(small())
        x, y, z = made.ImagePositionPatient
        made.ImagePositionPatient = [x, y, z + 5 * number]
        made.SOPInstanceUID = made.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{number}"
        made.save_as(folder / f"{(number + 1) % 3}.dcm")
    words = ("run", "ct-denoise", str(folder), "-o", str(tmp_path / "o"), "--noise", "20")
    more = ("--chains", "2", "--steps", "2", "--prior", untrained)
    result = CliRunner().invoke(main, [*words, *more])
    assert result.exit_code == 0, result.output
    slices = [pydicom.dcmread(p) for p in sorted((tmp_path / "o/series/restored").iterdir())]
    assert len({made.SeriesInstanceUID for made in slices}) == 1 and len(slices) == 3
    sources = [s.SourceImageSequence[0].ReferencedSOPInstanceUID for s in slices]
    assert sorted(sources) == ["1.2.3.0", "1.2.3.1", "1.2.3.2"]
    assert {float(s.ImagePositionPatient[2]) for s in slices} == {
        float(pydicom.dcmread(p).ImagePositionPatient[2]) for p in folder.iterdir()
    }
    assert any((tmp_path / "o/series/std").iterdir())


def test_the_embedded_prior_takes_any_size():
    prior = priors.slices()
    for size in ((1, 1), (37, 50)):
        denoised = prior.denoise(torch.full((2, 1, *size), 1.0), 0.1)
        assert denoised.shape == (2, 1, *size) and (denoised - 1).abs().max() < 0.3


def test_padding_is_written_back_untouched():
    signal = torch.full((1, 1, 32, 32), 40.0)
    signal[..., :4] = -3024
    valid = signal > -2000
    record = Record(signal, "volume", None, {"units": "HU", "modality": "CT", "valid": valid})
    task = denoising.solve_denoise(record, 20.0)
    shown = task.present(torch.full((1, 1, 32, 32), 1.01)).signal
    assert (shown[..., :4] == -3024).all() and shown[..., 4:].mean() == pytest.approx(10, abs=0.01)
    assert task.measurement.y.min() == 0  # of padding: air


@pytest.mark.parametrize(
    ("meta", "signal", "said"),
    [
        ({"modality": "MR", "units": "1"}, torch.zeros(1, 1, 4, 4), "modality MR"),
        ({"modality": None, "units": "1"}, torch.zeros(1, 1, 4, 4), "no Hounsfield units"),
    ],
)
def test_what_is_no_ct_is_told(meta, signal, said):
    with pytest.raises(ValueError, match=said):
        denoising.solve_denoise(Record(signal, "volume", None, meta), 20.0)


def test_phantoms_are_of_attenuation_and_of_their_seed():
    one, two = phantoms(2, 64, seed=4)
    assert one.shape == (1, 64, 64) and one.min() >= 0 and 1.0 < one.max() < 3.5
    assert torch.equal(one, phantoms(2, 64, seed=4)[0]) and not torch.equal(one, two)


def test_training_slices_keep_their_units():
    generator = torch.Generator().manual_seed(0)
    volume = torch.zeros(1, 3, 130, 140)
    volume[:, :, :70] = -1000
    parts = slices(volume, generator, hounsfield=True)
    assert len(parts) == 3 and parts[0].min() == 0 and parts[0].max() == 1
    shapes = slices(volume, generator, hounsfield=False)
    assert all(part.min() >= 0 and part.max() <= 2 for part in shapes)
    batch = torch.rand(4, 1, 8, 8)
    gain = augment(batch, generator) / batch
    assert (gain - 1).abs().max() <= 0.05 + 1e-5


def test_the_projector_is_the_scans(measured):
    record = read(measured[0])
    operator = projector(record)
    assert operator.in_shape == (1, 1, 128, 128) and operator.out_shape[-2] == 24
    assert np.isclose(operator.pixel, 0.661468)
