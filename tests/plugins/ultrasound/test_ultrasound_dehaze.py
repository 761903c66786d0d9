"""dehaze takes out what is not tissue, inside the region and nowhere else, and keeps the file."""

import json

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from pydicom import dcmread
from pydicom.data import get_testdata_file
from restore_ultrasound.echoes.echoes import beamformed, echoes
from restore_ultrasound.files.hdf5 import read_hdf5
from restore_ultrasound.files.plus import read_mha
from restore_ultrasound.haze import compounded, haze, hazy
from restore_ultrasound.operators.companding import HazeSum, companded, mu_of
from ultrasound_samples import picmus, plus, zea

import restore
from restore.cli import main
from restore.files.by_extension import read
from restore.files.task import Record

MU = mu_of(60)


def phantom(rows=48, columns=64, frames=1):
    """A bright layer and a dark cyst, uint8 (frames, rows, columns)."""
    generator = np.random.default_rng(0)
    made = 90 + 20 * generator.standard_normal((frames, rows, columns))
    made[:, 8:14] += 90
    made[:, 24:40, 20:44] = 12
    return np.clip(made, 3, 255).astype(np.uint8)


def run(*words):
    """The exit status, and what was said."""
    result = CliRunner().invoke(main, ["run", "dehaze", *map(str, words), "--quiet"])
    return result.exit_code, result.output


def flags(untrained, *more):
    tissue, haze_prior = untrained
    return ("--prior", tissue, "--haze", haze_prior, "--chains", 2, "--steps", 4, *more)


def pixels(mean, std):
    """An exact prior of single pixels."""

    def denoise(x, sigma):
        return mean + std**2 / (std**2 + sigma**2) * (x - mean)

    return restore.Prior(
        denoise, (1, 1, 1), sigma_min=0.002, sigma_max=2.0, mean=mean,
        variance=lambda s: std**2 * s**2 / (std**2 + s**2),
    )  # fmt: skip


def test_the_posterior_of_two_gaussians_is_found_where_haze_is_much_louder_or_softer():
    """Where one of the two is 40 dB louder the sum is that one: the other keeps its prior."""
    both = restore.joint(*(pixels(mean, 0.05) for mean in (0.3, 0.9)))
    operator = HazeSum((1, 1), MU)
    measurement = restore.Measurement(torch.full((1, 1, 1), 0.95), operator, restore.Gaussian(0.02))
    how = {"chains": 400, "steps": 20, "integrator": "heun", "seed": 0}
    posterior = restore.sample(measurement, both, "tmpd", **how)
    mean, std = posterior.mean.flatten(), posterior.std.flatten()
    wanted = 0.9 + 0.05 * 0.05**2 / (0.05**2 + 0.02**2)
    # 400 samples tell a mean to a twentieth of the std, a std to a thirtieth
    assert abs(mean[0] - 0.3) < 0.01 and abs(std[0] - 0.05) < 0.006
    assert abs(mean[1] - wanted) < 0.004
    assert abs(std[1] - (1 / (1 / 0.05**2 + 1 / 0.02**2)) ** 0.5) < 0.003


def test_removed_and_restored_make_the_input_and_strength_scales_between_them():
    frame = torch.from_numpy(phantom() / 255).float()[None]
    record = Record(frame, "bmode", None, {"format": "png", "regions": None})
    seen = echoes(record, "", 256)
    removed = 0.1 * torch.rand(1, 48, 64, generator=torch.Generator().manual_seed(0))
    total = seen.without(0, removed).signal + seen.removed(0, removed).signal
    torch.testing.assert_close(total, frame)
    assert torch.equal(seen.without(0, 0 * removed).signal, frame)
    half = frame - seen.without(0, removed / 2).signal
    whole = frame - seen.without(0, removed).signal
    bright = frame > 0.2  # nothing falls below black
    torch.testing.assert_close((2 * half)[bright], whole[bright], atol=1e-6, rtol=0)


def test_iq_keeps_its_phase_and_loses_the_same_decibels(tmp_path):
    generator = np.random.default_rng(0)
    stored = generator.integers(-2000, 2000, (1, 40, 120)).astype(np.int16)
    seen = echoes(read_mha(plus(tmp_path / "a.mha", stored, "RF_IQ_LINE", "FM")), "", 64)
    removed = torch.full(seen.grid(0).shape, 0.1)
    made, before = seen.without(0, removed).signal, seen.record.signal
    loud = seen.brightness(0) > 0.2
    assert (made[0, 0][loud] / before[0, 0][loud]).imag.abs().max() < 1e-5
    after = companded((made[0, 0].abs() / seen.white).clamp(max=1), MU)
    full = seen.brightness(0) < 1  # white itself is clipped
    torch.testing.assert_close(
        after[loud & full], seen.brightness(0)[loud & full] - 0.1, atol=1e-4, rtol=0
    )


def test_waves_add_up_by_their_powers_in_the_mean():
    generator = torch.Generator().manual_seed(0)
    field = torch.full((64, 64), 0.05, dtype=torch.complex64)[None]
    total = torch.stack(
        [hazy(torch.full((64, 64), 0.1), field, generator).square().mean() for _ in range(8)]
    )
    # 8 x 4096 pixels in cells of about 12: 1 / 52 of the interference term, 2 * 0.1 * 0.05 / 2^1/2
    assert abs(float(total.mean()) - (0.1**2 + 0.05**2)) < 4e-4


def test_simulated_haze_is_as_loud_as_asked_and_falls_off_with_depth_where_it_should():
    generator = torch.Generator().manual_seed(0)
    fields = haze((64, 64), generator, level=-20)
    assert fields.is_complex() and fields.shape[1:] == (64, 64)
    strength = compounded(fields)
    # speckle of E |s|^2 = 1 is rarely 10 dB over its mean
    assert -32 < 20 * torch.log10(strength.max()) < -8


def test_a_picture_and_what_was_removed_are_written(tmp_path, untrained):
    Image.fromarray(phantom()[0]).save(tmp_path / "a.png")
    assert run(tmp_path / "a.png", "-o", tmp_path / "out", *flags(untrained))[0] == 0
    folder = tmp_path / "out" / "a"
    names = {path.name for path in folder.iterdir()}
    assert names >= {"restored.png", "removed.png", "mean.npy", "std.npy", "report.html"}
    before, after = (
        np.asarray(Image.open(path)).astype(int)
        for path in (tmp_path / "a.png", folder / "restored.png")
    )
    taken = np.asarray(Image.open(folder / "removed.png")).astype(int)
    assert (after <= before).all() and np.abs(before - after - taken).max() <= 1


def test_only_the_region_of_a_cine_changes_and_frames_begin_from_the_one_before(
    tmp_path, untrained
):
    source = dcmread(get_testdata_file("examples_ybr_color.dcm", download=False))
    pixels = source.pixel_array[:3]
    source.set_pixel_data(pixels, "RGB", 8)
    source.save_as(tmp_path / "a.dcm")
    words = flags(untrained, "--region", "40,40,280,200", "--side", 64, "--warm", 0.2)
    assert run(tmp_path / "a.dcm", "-o", tmp_path / "out", *words)[0] == 0
    folder = tmp_path / "out" / "a"
    made = dcmread(folder / "restored.dcm").pixel_array
    outside = np.ones(made.shape[1:3], bool)
    outside[40:200, 40:280] = False
    assert np.array_equal(made[:, outside], pixels[:, outside])
    assert (made != pixels).any()
    coloured = np.ptp(pixels.astype(int), -1) > 12
    assert np.array_equal(made[coloured], pixels[coloured])
    facts = json.loads((folder / "report.json").read_text())["facts"]
    assert facts["frames"] == 3
    assert np.load(folder / "mean.npy").shape[:2] == (3, 2)
    assert (np.load(folder / "std.npy") > 0).all()


def test_channels_of_plane_waves_are_beamformed_and_written_as_iq(tmp_path):
    generator = np.random.default_rng(0)
    angles = [-0.1, 0.0, 0.1]
    data = np.zeros((3, 32, 800))
    depth, speed, rate = 0.015, 1540.0, 20.8e6
    across = 3e-4 * (np.arange(32) - 15.5)
    for t, angle in enumerate(angles):  # one scatterer in the middle
        delay = (depth * np.cos(angle) + np.sqrt(depth**2 + across**2)) / speed - 1e-6
        times = np.arange(800) / rate
        phase = times[None] - delay[:, None]
        data[t] = np.cos(2 * np.pi * 5e6 * phase) * np.exp(-((phase * 4e6) ** 2))
    data += 1e-3 * generator.standard_normal(data.shape)
    record = beamformed(read_hdf5(picmus(tmp_path / "a.h5", data, angles)))
    image = record.signal[0, 0].abs()
    row, column = divmod(int(image.argmax()), image.shape[1])
    deepest = (800 / rate + 1e-6) * speed / 2
    assert abs((row + 1) * deepest / image.shape[0] - depth) < 2e-4  # a wavelength is 3e-4
    assert abs(column - (image.shape[1] - 1) / 2) < 4


def test_a_sequence_of_zea_comes_back_in_its_layout(tmp_path, untrained):
    decibels = phantom(frames=2).astype(np.float32) / 255 * 60 - 60
    zea(tmp_path / "a.h5", {"image": decibels}, newer=True)
    assert run(tmp_path / "a.h5", "-o", tmp_path / "out", *flags(untrained))[0] == 0
    made = read_hdf5(tmp_path / "out" / "a" / "restored.h5")
    before = read_hdf5(tmp_path / "a.h5")
    assert made.signal.shape == before.signal.shape and "sound_speed" in made.meta["scan"]
    assert (made.signal <= before.signal + 1e-6).all()


def test_haze_is_simulated_over_a_file_and_measured_against_it(tmp_path, untrained):
    Image.fromarray(phantom()[0]).save(tmp_path / "a.png")
    words = ["simulate", "dehaze", str(tmp_path / "a.png"), "-o", str(tmp_path / "sim")]
    assert CliRunner().invoke(main, [*words, "--level", "-15"]).exit_code == 0
    hazed = tmp_path / "sim" / "a" / "measurement.png"
    more = ("--reference", tmp_path / "a.png", "--baseline", "srad")
    assert run(hazed, "-o", tmp_path / "out", *flags(untrained), *more)[0] == 0
    report = json.loads((tmp_path / "out" / "measurement" / "report.json").read_text())
    assert report["metrics"]["mean"].keys() == {"psnr[display]", "ks[display]"}
    assert report["metrics"]["baseline"]["psnr[display]"] > 0


def _empty(path):
    Image.fromarray(np.zeros((40, 40), np.uint8)).save(path)


def _photograph(path):
    Image.fromarray(phantom()[0]).save(path)


@pytest.mark.parametrize(
    "make, words, told",
    [
        (_empty, (), "there are no echoes in it"),
        (_photograph, ("--strength", "5"), "a share of the haze"),
        (_photograph, ("--region", "1,2,3"), "x0,y0,x1,y1"),
        (_photograph, ("--region", "0,0,500,20"), "does not lie in a frame of 64x48"),
        (_photograph, ("--haze", "no-such-prior"), "no-such-prior"),
    ],
)
def test_bad_input_gets_one_line(tmp_path, untrained, make, words, told):
    make(tmp_path / "bad.png")
    status, said = run(tmp_path / "bad.png", "-o", tmp_path / "out", *flags(untrained), *words)
    assert status in (1, 2, 5) and told in said and len(said.strip().splitlines()) == 1
    assert not (tmp_path / "out" / "bad").exists()


def test_the_domain_is_read_by_its_own_readers(tmp_path):
    from restore.plugins.discovery import catalog

    plus(tmp_path / "a.mha", phantom(), "BRIGHTNESS", "MF")
    assert read(tmp_path / "a.mha", catalog().entry("recipes", "dehaze")).kind == "bmode"
