"""The recipes of MRI from file to file, and the laws of what they pose."""

import json
import math
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pydicom.data
import pytest
import torch
from mri_scan import coils, picture, transform
from restore_dicom.training import LEAST
from restore_mri import priors
from restore_mri.kspace.calibration import middle
from restore_mri.kspace.samples import to_kspace
from restore_mri.masks import masks
from restore_mri.operators.finer_grid import finer
from restore_mri.operators.noncartesian_sense import noncartesian_sense
from restore_mri.recipes import active
from restore_mri.recipes import denoise as magnitude
from restore_mri.recipes.held_out import held_mask, kept_back
from restore_mri.recipes.mri import LEVELS, TRUSTS, mri, task_of
from restore_mri.recipes.noisy_reference import full_scan_draws
from restore_mri.recipes.scan import scan
from restore_mri.recipes.show import channels
from restore_mri.training import augment, coarser, recontrasted, slices, with_phase

from restore.files.merit.coverage import DRAWS, covered, expected, predictive
from restore.files.problem import Settings
from restore.files.restoring import restore_file
from restore.files.simulating import simulate_file
from restore.files.task import Record
from restore.sampling.held_out import width

SIZE, COILS, NOISE = (48, 44), 4, 0.01


@pytest.fixture
def full(tmp_path):
    """Two slices of four coils on file, (slice, coil, ky, kx), and their picture."""
    image = np.stack([picture(*SIZE, seed=s) for s in (0, 1)])
    maps = coils(COILS, *SIZE)
    maps = maps / np.sqrt((np.abs(maps) ** 2).sum(0))
    clean = transform(maps[None] * image[:, None])
    rng = np.random.default_rng(0)
    noise = rng.standard_normal(clean.shape) + 1j * rng.standard_normal(clean.shape)
    np.save(tmp_path / "scan.npy", (clean + NOISE * noise).astype(np.complex64))
    return tmp_path / "scan.npy", image, maps


def run(source, folder, recipe="mri", options=None, **more):
    settings = Settings.of(recipe, options or {}, chains=3, steps=4, **more)
    told = []
    facts = restore_file(source, folder, settings, progress=lambda *step: told.append(step))
    assert {total for _, _, total, _ in told} == {4} and "sigma" in told[-1][-1]
    return facts


def record(full, **meta):
    path, _, _ = full
    signal = torch.from_numpy(np.load(path))
    return Record(signal, "kspace", path, {"mask": None, "phase_axis": -1, **meta})


def test_a_full_scan_is_undersampled_and_compared_with_itself(full, tmp_path, untrained):
    path, image, _ = full
    options = {"accelerate": 2.0, "mask": "equispaced", "calibration": 16}
    more = {"prior": untrained, "baseline": "sense-cg", "held_out": False}
    facts = run(path, tmp_path / "out", options=options, **more)
    metrics = facts["metrics"]
    assert metrics["baseline"]["nmse[fastmri-volume]"] < 0.02
    assert set(metrics["mean"]) == {
        "psnr[fastmri-volume]", "ssim[fastmri-slice]", "nmse[fastmri-volume]", "magnitude-rmse",
        "complex-nmse",
    }  # fmt: skip
    assert 1.4 < facts["facts"]["acceleration"] < 2
    restored, baseline = (np.load(tmp_path / f"out/{n}.npy") for n in ("restored", "baseline"))
    assert restored.shape == baseline.shape == (2, *SIZE) and np.iscomplexobj(restored)
    error = np.abs(np.abs(baseline) - np.abs(image))
    assert np.sqrt((error**2).sum() / (np.abs(image) ** 2).sum()) < 0.15
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert 0 <= report["coverage_of_90%_intervals"] <= 1
    # what was kept stands, and the rest is filled in: nearer to the full scan than either alone
    for name in ("predicted", "baseline predicted"):
        assert metrics[name]["nmse[fastmri-volume]"] < metrics["baseline"]["nmse[fastmri-volume]"]
        assert metrics[name]["complex-nmse"] is None  # it is a mean of magnitudes
    assert (tmp_path / "out/report.html").exists()


def test_the_output_may_be_nifti(full, tmp_path, untrained):
    path, *_ = full
    run(path, tmp_path / "out", prior=untrained, format=".nii.gz")
    made = nibabel.load(tmp_path / "out/restored.nii.gz")
    assert made.shape == (SIZE[1], SIZE[0], 2) and made.get_data_dtype() == np.float32
    std = np.asanyarray(nibabel.load(tmp_path / "out/std.nii.gz").dataobj)
    assert std.min() >= 0 and std.max() > 0


def test_volumes_are_denoised_along_two_axes_in_turn(full, tmp_path, untrained):
    path, *_ = full
    for volume in ("slices", "perpendicular"):
        options = {"volume": volume, "refine": 1}
        run(path, tmp_path / volume, options=options, prior=untrained)
    one, other = (np.load(tmp_path / f"{v}/mean.npy") for v in ("slices", "perpendicular"))
    assert one.shape == other.shape == (2, 2, *SIZE) and not np.array_equal(one, other)


def test_coarse_scans_are_sought_on_a_finer_grid_and_come_back_on_their_own(full):
    one = record(full)
    one = one.with_signal(one.signal[:1])
    asked = {"accelerate": 2.0, "calibration": 16}
    fine, own = (mri.solve(one, NOISE, refine=times, **asked) for times in (None, 1))
    assert fine.measurement.operator.in_shape == (2, 1, 96, 88)
    assert own.measurement.operator.in_shape == (2, 1, *SIZE)
    torch.testing.assert_close(fine.sampler.schedule(5), 2 * own.sampler.schedule(5))
    image = 0.5 * torch.randn(2, 1, *SIZE, generator=torch.Generator().manual_seed(0))
    finely = channels(finer(torch.complex(*image.chunk(2)), 2))
    for answer in (image, finely):  # the baselines are on the scan's own
        torch.testing.assert_close(fine.present(answer).signal, own.present(image).signal)
    torch.testing.assert_close(
        fine.measurement.operator(finely[None]), own.measurement.operator(image[None])
    )
    split = fine.held_out_split()
    assert split.kept.operator.in_shape == split.held.operator.in_shape == (2, 1, 96, 88)
    for wrong, words in (({"refine": 0}, "1 or more"), ({"volume": "perpendicular"}, "volumes")):
        with pytest.raises(ValueError, match=f"--refine is .*{words}"):
            mri.solve(one, NOISE, **{"refine": 2, **wrong})


def test_the_scan_is_scaled_and_its_noise_found(full):
    _, image, _ = full
    least, whole = scan(record(full), None, maps="espirit")
    assert torch.equal(least.kspace, whole.kspace)
    scale = np.quantile(np.abs(image), 0.99)
    assert least.scale == pytest.approx(scale, rel=0.05)
    # the quietest tenth of 48 pixels biases it low by up to 15 %, its documented bias
    assert NOISE * 0.8 < least.noise * least.scale < NOISE * 1.6


def with_maps(full):
    _, image, maps = full
    given = torch.from_numpy(maps.astype(np.complex64))[None]
    return record(full, maps=given), torch.from_numpy(image.astype(np.complex64))[None]


def test_a_phase_is_taken_off_and_given_back(full):
    turned, _ = with_maps(full)
    turned = turned.with_signal(turned.signal * torch.exp(1j * torch.tensor(2.0)))
    free, _ = scan(turned, 0.01, maps="espirit", phase="free")
    known, _ = scan(turned, 0.01, maps="espirit")
    found = known.combined()
    assert free.phase is None and known.phase.abs().sub(1).abs().max() < 1e-5
    assert found.imag.square().sum() < 0.1 * found.real.square().sum()
    assert free.combined().imag.square().sum() > 0.5 * free.combined().real.square().sum()
    seen = [task_of(s).present(channels(s.combined())).signal for s in (free, known)]
    torch.testing.assert_close(*seen, atol=1e-4 * known.scale, rtol=1e-4)


def test_a_phase_is_left_where_the_middle_was_not_measured(full):
    mask = torch.ones(SIZE, dtype=torch.bool)
    mask[SIZE[0] // 2 - 1 : SIZE[0] // 2 + 1] = False
    least, _ = scan(with_maps(full)[0], 0.01, maps="espirit", mask=mask)
    assert least.phase is None


def test_a_noisy_reference_lies_among_its_draws(full):
    """From the true picture 90 % intervals of eight draws hold 90 % of a scan's own noise.

    Of 4224 pixels, most of them of independent noise, a share varies by 0.5 %; magnitudes in the
    air are not Gaussian, which moves it by about as much as the tolerance.
    """
    given, image = with_maps(full)
    mask = masks.accelerate("random", SIZE, 3.0, calibration=12)
    scale = scan(given, 1.0, maps="espirit", mask=mask)[0].scale
    least, whole = scan(given, NOISE / scale, maps="espirit", mask=mask)
    reference = task_of(least).present(channels(whole.combined())).signal
    draw = full_scan_draws(least, whole, task_of(least))
    truth = channels(image * least.phase.conj() / scale)
    draws = predictive(draw, [truth] * 8)
    assert len(draws) == DRAWS
    assert covered([d.signal for d in draws[:8]], reference) == pytest.approx(0.9, abs=0.03)
    error, one = (
        (d.signal.abs() - reference.abs()).square().mean() for d in (expected(draws), draws[0])
    )
    assert error < 0.6 * one  # their mean errs by the noise once, one of them twice


@pytest.mark.parametrize("name", ["equispaced", "poisson"])
def test_what_is_kept_back_lies_outside_the_middle(full, name):
    mask = masks.accelerate(name, SIZE, 3.0, calibration=12)
    held = held_mask(mask)
    assert 0.1 < held.sum() / (mask.sum() - 12 * (SIZE[0] if name == "equispaced" else 12)) < 0.25
    assert not (held & ~mask).any() and not middle(held, (12, 12)).any()
    if name == "equispaced":
        assert (held.any(0) == held.all(0)).all()  # whole lines
    least, _ = scan(with_maps(full)[0], 0.01, maps="espirit", mask=mask)
    split = kept_back(least)
    assert torch.equal(split.kept.y + split.held.y, least.measurement().y)


def test_a_scan_of_nothing_but_its_middle_keeps_nothing_back(full):
    least, _ = scan(with_maps(full)[0], 0.01, maps="espirit")
    split = kept_back(least)
    assert not split.held.y.any()
    assert width(torch.randn(3, *split.held.operator.in_shape), split) == 1


def test_held_out_lines_tell_trust_and_width(full, tmp_path, untrained):
    path, *_ = full
    told = "trust, by held-out data"
    options = {"accelerate": 2.0, "mask": "random", "calibration": 12}

    def report(name, **more):
        run(path, tmp_path / name, options=options, prior=untrained, **more)
        return json.loads((tmp_path / name / "report.json").read_text())

    found = report("held-out")
    given = {"trust": str(found["facts"][told])}
    bare = report("bare", held_out=False, sampler_options=given)
    own = report("own", sampler_options=given)
    assert found["facts"][told] in TRUSTS and told not in {**bare["facts"], **own["facts"]}
    factor = found["provenance"]["width"]
    assert factor > 1 and "width" not in bare["provenance"]
    assert own["provenance"]["width"] == pytest.approx(factor)
    shown = slice(None), 1  # each slice tells its own: the report is of the middle one
    mean, other = (np.load(tmp_path / name / "mean.npy")[shown] for name in ("held-out", "bare"))
    np.testing.assert_allclose(mean, other, atol=1e-5)
    std, other = (np.load(tmp_path / name / "std.npy")[shown] for name in ("held-out", "bare"))
    np.testing.assert_allclose(std, factor * other, rtol=1e-3, atol=1e-6)


def test_the_recipe_chooses_the_levels_of_its_own_sampler_only(full, tmp_path, untrained):
    path, *_ = full
    first, last = {}, {}
    for sampler in ("diffpir", "ddnm"):
        run(path, tmp_path / sampler, options={"refine": 1}, prior=untrained, sampler=sampler)
        trace = json.loads((tmp_path / sampler / "report.json").read_text())["trace"]
        first[sampler], last[sampler] = trace[0]["sigma"], trace[-1]["sigma"]
    assert (first["diffpir"], last["diffpir"]) == pytest.approx(LEVELS)
    assert first["ddnm"] > 1.5 * LEVELS[0]  # the prior's own


def test_noise_that_maps_leave_unexplained_is_noise(full):
    """Maps of a wrong phase explain nothing: the noise is then as large as what they leave."""
    path, _, maps = full
    turned = (
        maps * np.exp(1j * np.linspace(0, 3, SIZE[0]))[:, None] ** np.arange(COILS)[:, None, None]
    )
    np.save(path.parent / "maps.npy", turned.astype(np.complex64))
    right, _ = scan(record(full), None, maps="espirit")
    wrong, _ = scan(record(full), None, maps=str(path.parent / "maps.npy"))
    assert wrong.noise > 3 * right.noise


def test_compression_keeps_the_picture(full):
    few, _ = scan(record(full), None, maps="espirit", coils=3)
    assert few.kspace.shape[1] == 3
    whole, _ = scan(record(full), None, maps="espirit")
    ratio = (few.combined().abs() - whole.combined().abs()).norm() / whole.combined().norm()
    assert ratio < 0.05


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"accelerate": 4.0, "calibration": 4}, "no calibration lines"),
        ({"maps": "absent.npy"}, "none of espirit, low-frequency"),
        ({"accelerate": 0.5}, "acceleration"),
    ],
)
def test_what_cannot_be_posed_is_told(full, options, said):
    with pytest.raises(ValueError, match=said):
        mri.solve(record(full), None, **options)


def test_maps_of_another_size_are_refused(full):
    path, _, maps = full
    np.save(path.parent / "maps.npy", maps[:, :-1])
    with pytest.raises(ValueError, match=r"coil maps .* are 1x4x47x44, the k-space is 2x4x48x44"):
        mri.solve(record(full), None, maps=str(path.parent / "maps.npy"))


def test_images_are_no_kspace():
    volume = Record(torch.zeros(1, 1, 8, 8), "volume")
    with pytest.raises(ValueError, match="mri takes k-space"):
        mri.solve(volume, None)


def test_a_trajectory_is_gridded(full):
    """Golden-angle spokes of one coil: the iterated image is near the picture."""
    _, image, _ = full
    n = 48
    at = torch.arange(n * 2) / 2 - n / 2
    angle = torch.arange(70) * math.pi * (3 - 5**0.5)
    points = torch.stack([torch.outer(angle.sin(), at), torch.outer(angle.cos(), at)], -1)
    points = points.flatten(0, 1).clamp(-SIZE[1] / 2, SIZE[1] / 2 - 1e-3)
    one = torch.from_numpy(image[:1])
    signal = torch.cat([one.real, one.imag])[None, :, None]
    maps = torch.ones(1, 1, *SIZE, dtype=torch.complex64)
    y = noncartesian_sense((2, 1, *SIZE), maps, points)(signal)[0]
    generator = torch.Generator().manual_seed(0)
    y = y + NOISE * torch.randn(y.shape, dtype=y.dtype, generator=generator) * 2**0.5
    meta = {"trajectory": points, "shape": SIZE, "mask": None, "phase_axis": -1}
    task = mri.solve(Record(y, "kspace", None, meta), NOISE)
    found = task.present(task.comparison.baselines["sense-cg"]()).signal
    assert (found.abs() - one.abs()).norm() / one.norm() < 0.15  # spokes thin out at the corners
    with pytest.raises(ValueError, match="--coils is for k-space on a grid"):
        mri.solve(Record(y, "kspace", None, meta), NOISE, coils=2)


def test_a_line_is_worth_what_its_samples_disagree_about(full):
    """Samples that differ by one harmonic ask for that harmonic's line."""
    whole, _ = scan(record(full), None, maps="espirit")
    rows = torch.arange(SIZE[1]) - SIZE[1] // 2
    wave = torch.exp(2j * math.pi * 5 * rows / SIZE[1]).expand(2, *SIZE)
    weights = torch.linspace(-1, 1, 6).reshape(-1, 1, 1, 1) * wave
    samples = torch.stack([weights.real, weights.imag], 1)
    whole = type(whole)(**{**vars(whole), "maps": torch.ones_like(whole.maps[:, :1])})
    entropy = active.entropies(whole, samples)
    assert entropy.argmax() == SIZE[1] // 2 + 5
    others = entropy.clone()
    others[SIZE[1] // 2 + 5] = 0
    assert others.max() < 1e-3 * entropy.max()


def test_lines_are_chosen_apart_and_once():
    entropy = torch.tensor([0, 1, 5, 5.1, 5, 1, 0, 2, 0.0] + [0.1] * 10)
    taken = torch.zeros(19, dtype=torch.bool)
    taken[0] = True
    first, second, *rest = active.next_lines(entropy, taken, 18)
    assert first == 3 and second == 7  # not its neighbours, which count less for a round
    assert sorted([first, second, *rest]) == list(range(1, 19))


def test_of_nearly_real_images_a_line_tells_of_the_one_across_the_middle():
    """|k(-f)| = |k(f)| of a real image: lines 14 and 6 of 20 hold the same numbers, conjugate."""
    image = torch.randn(5, 20, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    k = to_kspace(image.to(torch.complex128), (-1,))
    torch.testing.assert_close(k[:, 14], k[:, 6].conj())
    entropy = torch.tensor([0, 1, 1, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 5.1, 0, 0, 3, 0, 0.0])
    none = torch.zeros(20, dtype=torch.bool)
    assert active.next_lines(entropy, none, 3) == [14, 6, 17]
    assert active.next_lines(entropy, none, 3, mirrored=True)[:2] == [14, 17]


def test_active_acquisition_measures_its_budget(full, tmp_path, untrained):
    path, *_ = full
    options = {"budget": 24, "start": 16, "rounds": 2, "particles": 3}
    facts = run(path, tmp_path / "out", "mri-active", options, prior=untrained)
    told = facts["facts"]
    assert len(told["order of the lines"]) == 8 == len(set(told["order of the lines"]))
    for policy in ("greedy", "random", "equispaced"):
        assert 0 < told[f"nmse of {policy} lines"] < 1
    assert "psnr[fastmri-volume]" in facts["metrics"]["mean"]
    with pytest.raises(ValueError, match="cannot be measured"):
        run(path, tmp_path / "o2", "mri-active", {"budget": 100}, prior=untrained)


def test_the_embedded_prior_takes_any_size_and_any_phase():
    prior = priors.slices()
    for size in ((1, 1), (37, 50)):
        x = torch.ones(2, 2, *size) * torch.tensor([0.8, -0.6]).reshape(1, 2, 1, 1)
        denoised = prior.denoise(x, 0.1)
        assert denoised.shape == x.shape and (denoised - x).abs().max() < 0.3


def test_magnitudes_are_denoised_into_a_derived_object(tmp_path, untrained):
    source = pydicom.data.get_testdata_file("MR_small.dcm", download=False)
    target = tmp_path / "MR_small.dcm"
    target.write_bytes(Path(source).read_bytes())
    facts = run(target, tmp_path / "out", "mri-denoise", noise="auto", prior=untrained)
    made, before = (pydicom.dcmread(p) for p in (tmp_path / "out/restored.dcm", target))
    assert made.SOPInstanceUID != before.SOPInstanceUID and made.ImageType[0] == "DERIVED"
    assert "stochastic-denoising" in made.DerivationDescription
    assert (tmp_path / "out/std.dcm").exists() and facts["noise_source"] == "estimated"


def test_rician_noise_is_simulated_and_its_bias_taken_off(tmp_path):
    image = torch.full((1, 1, 200, 200), 100.0)
    made = magnitude.simulate_denoise(Record(image, "volume"), 0.2, 0)["measurement"].signal
    assert made.mean() == pytest.approx((100**2 + 20**2) ** 0.5, rel=5e-3)  # sqrt(A^2 + s^2), about
    task = magnitude.solve_denoise(
        Record(made, "volume"), 20 / magnitude.scale_of(Record(made, "volume"))
    )
    scale = task.facts["scale"]
    assert scale * task.measurement.y[0, 0].mean() == pytest.approx(100, rel=5e-3)
    assert scale * task.measurement.y[0, 1].std() == pytest.approx(20, rel=0.02)


@pytest.mark.parametrize(
    ("signal", "said"),
    [(-torch.ones(1, 1, 8, 8), "negative"), (torch.zeros(1, 1, 8, 8), "black")],
)
def test_what_is_no_magnitude_is_told(signal, said):
    with pytest.raises(ValueError, match=said):
        magnitude.solve_denoise(Record(signal, "volume"), 0.1)


@pytest.mark.parametrize(
    ("meta", "said"),
    [
        ({"modality": "PT"}, "modality PT"),
        ({"modality": "MR", "content": "a phase"}, "a phase"),
        ({"modality": "MR", "content": "a map of diffusion"}, "a map of diffusion"),
    ],
)
def test_what_the_header_says_is_no_magnitude_is_told(meta, said):
    with pytest.raises(ValueError, match=said):
        magnitude.solve_denoise(Record(torch.ones(1, 1, 8, 8), "volume", None, meta), 0.03)


def test_simulated_magnitudes_are_written(tmp_path):
    source = pydicom.data.get_testdata_file("MR_small.dcm", download=False)
    simulate_file(Path(source), tmp_path / "s", Settings.of("mri-denoise", noise=0.1))
    assert (tmp_path / "s/measurement.dcm").exists()


def test_training_patches_keep_their_magnitude():
    generator = torch.Generator().manual_seed(0)
    magnitudes = torch.rand(3, 1, 16, 16, generator=generator)
    for residual in (0.0, 1.0):
        pair = with_phase(magnitudes, generator, residual)
        assert torch.allclose(pair.norm(dim=1, keepdim=True), magnitudes, atol=1e-6)
    assert augment(magnitudes, generator).shape == (3, 2, 16, 16)


def test_residual_phases_are_small():
    generator = torch.Generator().manual_seed(0)
    shares = [
        with_phase(torch.ones(200, 1, 16, 16), generator, residual)[:, 1].square().mean()
        for residual in (1.0, 0.0)
    ]
    assert shares[0] < 0.15 and shares[1] == pytest.approx(0.5, abs=0.1)  # imaginary, of 1


def test_contrasts_change_and_black_stays_black():
    """Where two pixels are as bright before, they are after."""
    generator = torch.Generator().manual_seed(0)
    magnitude = torch.tensor([0.0, 0.3, 0.3, 0.9, 2.0, 2.0]).reshape(1, 1, 1, 6).expand(50, 1, 1, 6)
    made = recontrasted(magnitude, generator)[:, 0, 0]
    assert (made[:, 0] == 0).all() and torch.equal(made[:, 1], made[:, 2])
    assert (made[:, 1] > made[:, 3]).any() and (made >= 0).all() and made.isfinite().all()


def test_coarser_slices_are_the_picture_seen_with_fewer_samples():
    y, x = torch.meshgrid(torch.linspace(-1, 1, 160), torch.linspace(-1, 1, 140), indexing="ij")
    smooth = torch.exp(-4 * (y**2 + x**2))[None].half()
    generator = torch.Generator().manual_seed(0)
    (less,) = coarser([smooth], generator)
    assert min(less.shape[1:]) > LEAST and less.shape[1] < 160 and less.shape[2] < 140
    assert less.float().mean() == pytest.approx(smooth.float().mean().item(), rel=0.02)
    assert less.float().max() == pytest.approx(1, abs=0.02)
    assert coarser([smooth[:, :90, :90]], generator) == []  # too small to be made smaller


def test_volumes_become_slices_of_every_thick_axis():
    volume = torch.rand(1, 10, 64, 50) + 0.5
    parts = slices(volume)
    assert {tuple(part.shape) for part in parts} == {(1, 64, 50)} and len(parts) == 10
    assert slices(torch.rand(3, 70, 60))[0].shape == (1, 70, 60)
