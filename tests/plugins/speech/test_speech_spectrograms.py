"""SGMSE+ in `enhance`: its spectrograms, its sampler, an imported checkpoint from end to end."""

import math
from itertools import pairwise
from pathlib import Path

import pytest
import restore_speech.recipes.spectral
import soundfile
import torch
from click.testing import CliRunner
from restore_speech.conditional import nothing_measured
from restore_speech.recipes.spectral import (
    SNR,
    as_published,
    heard,
    predicted,
    told_spectrograms,
)
from restore_speech.signals.spectrograms import BINS, Spectrograms
from speech_standins import RATE, save, syllables

from restore import Prior, load_prior
from restore.cli import main
from restore.errors import WeightsError
from restore.files.problem import Settings, pose
from restore.networks.paths import OrnsteinUhlenbeck, level
from restore.networks.published import family
from restore.samplers.integrators.predictor_corrector import predictor_corrector
from restore.sampling.by_name import sample

UNET = {
    "channels": 4, "width": 8, "widths": [8] * 5, "blocks": 1, "attention": [4], "fourier": True,
    "entry": "input_skip", "summed": True, "fir": True, "numbered": False, "outputs": 2,
    "scales": None,
}  # fmt: skip


def restore(*words):
    result = CliRunner().invoke(main, words)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A working folder, and a store of priors in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RESTORE_HOME", str(tmp_path / "home"))
    return tmp_path


def imported(name: str, **changed):
    """A tiny network in the layout of SGMSE's checkpoints, with drawn weights, imported."""
    network = family("sgmse").build({"unet": {**UNET, **changed}})
    generator = torch.Generator().manual_seed(0)
    state = {
        f"dnn.{key}": value + 0.1 * torch.randn(value.shape, generator=generator)
        for key, value in network.state_dict().items()
    }
    torch.save({"state_dict": state, "epoch": 1}, f"{name}.ckpt")
    done = restore("priors", "import", f"{name}.ckpt", "--name", name, "--licence", "MIT")
    assert done.exit_code == 0, done.stderr


@pytest.mark.parametrize("samples", [1, 2, 127, 128, 255, 256, 300, 8127, 8128, 20_001])
def test_a_waveform_of_any_length_comes_back(samples):
    waveform = torch.randn(2, samples, generator=torch.Generator().manual_seed(0))
    front = Spectrograms(samples, waveform.abs().max().item())
    spectrogram = front.of(waveform)
    assert spectrogram.shape == (2, 2, 256, spectrogram.shape[3]) and spectrogram.shape[3] % 64 == 0
    # float32: spectra have a rounding of 1e-7 of a frame's norm, some 15
    assert torch.allclose(front.waveform(spectrogram), waveform, atol=2e-5)


def test_spectrograms_are_sgmses():
    """beta |X|^alpha e^(i angle X) of the waveform over its maximum, a frame written out."""
    waveform = 3 * syllables(0.5)[0].double()
    front = Spectrograms(len(waveform), waveform.abs().max().item())
    found = front.of(waveform)
    assert found.shape == (2, BINS, 64) and not found[..., front.frames :].any()
    place = 5 * 128 - 255  # of the first sample of the sixth frame, which is centred
    n = torch.arange(510, dtype=torch.float64)
    window = 0.5 - 0.5 * (2 * math.pi * n / 510).cos()
    spectrum = torch.fft.rfft(window * waveform[place : place + 510] / waveform.abs().max())
    expected = torch.polar(0.15 * spectrum.abs().sqrt(), spectrum.angle())
    # the floor under |X|^2 moves what is near it
    assert torch.allclose(torch.complex(*found[..., 5]), expected, atol=1e-8)


def test_silence_has_a_gradient():
    waveform = torch.zeros(400, requires_grad=True)
    front = Spectrograms(400)
    front.waveform(front.of(waveform)).sum().backward()
    assert torch.isfinite(waveform.grad).all()


PATH, T_EPS = OrnsteinUhlenbeck(), 0.03
CLEAN, NOISY, STD = 0.7, -0.4, 0.3  # mean of the clean value, the noisy one, the clean one's std


def theirs(steps: int, corrections: int) -> tuple[float, float]:
    """(mean, variance) of SGMSE+'s state at t_eps, by its equations, of one Gaussian value."""
    times = torch.linspace(1, T_EPS, steps, dtype=torch.float64)
    mean, variance = NOISY, PATH.std(times[0]).item() ** 2
    for t, t_next in pairwise(times):
        a, std = PATH.clean_share(t).item(), PATH.std(t).item()
        centre, total = a * CLEAN + (1 - a) * NOISY, (a * STD) ** 2 + std**2
        eps = 2 * (SNR * std) ** 2
        for _ in range(corrections):
            mean += eps * (centre - mean) / total
            variance = variance * (1 - eps / total) ** 2 + 2 * eps
        ratio = PATH.sigma_max / PATH.sigma_min
        power = (PATH.sigma_min * ratio ** t.item()) ** 2 * 2 * math.log(ratio)  # g^2
        step = (t - t_next).item()
        mean += (PATH.theta * (mean - NOISY) + power * (centre - mean) / total) * step
        variance *= (1 + (PATH.theta - power / total) * step) ** 2
        variance += power * step
    return mean, variance


def ours(steps: int, corrections: int) -> tuple[float, float]:
    """The moments of our sampler's chain in u: draws are axes, so that they are read off."""
    times = torch.linspace(1, T_EPS, steps, dtype=torch.float64)
    sigmas = torch.cat([level(PATH, times), times.new_zeros(1)])
    axes = iter(torch.eye(2 * steps + 2, dtype=torch.float64))

    def moments(mean: float, draw, x):
        def denoise(u, sigma):
            return (sigma**2 * mean + STD**2 * u) / (STD**2 + sigma**2)

        every = list(predictor_corrector(
            denoise, None, x, sigmas, draw, corrections=corrections, snr=SNR
        ))  # fmt: skip
        a = PATH.clean_share(times[-1])
        return a * every[-2].x

    start = torch.full((1, 1), NOISY, dtype=torch.float64)
    a = PATH.clean_share(times[-1]).item()
    mean = moments(CLEAN, torch.zeros_like, start).item() + (1 - a) * NOISY
    spread = moments(0.0, lambda x: next(axes)[None], sigmas[0] * next(axes)[None])
    return mean, spread.square().sum().item()


@pytest.mark.parametrize("corrections", [0, 1])
def test_states_tend_to_those_of_sgmse_as_the_steps_go_to_many(corrections):
    """Euler's drift differs from the exact one by the first power of the step."""
    gaps = []
    for steps in (100, 400, 1600):
        mine, published = ours(steps, corrections), theirs(steps, corrections)
        gaps.append([abs(a - b) for a, b in zip(mine, published)])
    for before, after in pairwise(gaps):
        assert after[0] < 0.35 * before[0] and after[1] < 0.35 * before[1]  # a quarter in the limit
    assert max(gaps[-1]) < 1e-3


def test_the_corrector_is_theirs_in_the_variable_without_drift():
    t, snr = torch.tensor(0.4, dtype=torch.float64), 0.33
    a, std = PATH.clean_share(t), PATH.std(t)
    y, clean, u, z = torch.randn(4, 1, 50, generator=torch.Generator().manual_seed(0)).double()
    state = a * u + (1 - a) * y
    score = (a * clean + (1 - a) * y - state) / std**2
    eps = 2 * (snr * std) ** 2
    expected = (state + eps * score + (2 * eps).sqrt() * z - (1 - a) * y) / a
    sigma = level(PATH, t)
    sigmas, seen = torch.stack([sigma, 0 * sigma]), []

    def denoise(x, sigma):
        seen.append(x)
        return clean

    list(predictor_corrector(denoise, None, u, sigmas, lambda x: z, snr=snr))
    assert torch.allclose(seen[1], expected)  # after one corrector step
    r = snr
    assert torch.allclose(expected, u + 2 * r**2 * (clean - u) + 2 * r * sigma * z)


def echo(denoise=lambda y: lambda u, sigma: y) -> Prior:
    """To which the clean speech is what `denoise` makes of the noisy spectrogram."""
    return Prior(
        lambda u, sigma: u, (2, BINS, None), sigma_min=0.01, sigma_max=1.2, card={"name": "echo"},
        offers=frozenset({"a noisy recording"}), tell=lambda noisy: bound(denoise(noisy)),
        schedule=lambda steps: torch.linspace(1.2, 0, steps + 1),
    )  # fmt: skip


def bound(denoise) -> Prior:
    return Prior(denoise, (2, BINS, None))


def test_the_told_prior_is_of_waveforms_and_its_noise_is_shared():
    recording = syllables(0.3, channels=2)
    prior = told_spectrograms(echo(), heard(echo(), recording))
    measurement = nothing_measured(tuple(recording.shape))
    how = {"chains": 2, "sigmas": torch.linspace(1.2, 0, 4), "init": recording, "sigma_start": 1.2}
    found = sample(measurement, prior, "shared-noise", integrator=as_published, **how)
    assert torch.allclose(found.samples, recording.expand(2, -1, -1), atol=1e-5)
    white = echo(lambda y: lambda u, sigma: 0.5 * u)
    alike = told_spectrograms(white, heard(white, recording[:1].expand(2, -1)))
    found = sample(measurement, alike, "shared-noise", integrator=as_published, **how)
    assert torch.allclose(found.samples[:, 0], found.samples[:, 1], atol=1e-6)
    assert not torch.allclose(found.samples[0], found.samples[1], atol=1e-3)


def test_classical_answers_are_of_the_recording_as_the_prior_has_it(tmp_path):
    signal = syllables(0.5)
    path = save(tmp_path / "a.wav", signal, RATE, "FLOAT")
    task = pose(path, Settings.of("enhance"), load_prior=lambda name: echo()).task
    assert task.comparison.baselines["log-mmse"]().shape == task.measurement.operator.in_shape
    # to the last bit of 24, and the mean in front of it
    assert torch.allclose(task.present(task.sampler.init).signal, signal, atol=1e-6)


def test_tiles_are_as_the_whole(monkeypatch):
    recording = syllables(2.0, channels=2)
    half = echo(lambda y: lambda u, sigma: 0.5 * (u + y) + sigma[:, None, None, None])
    u = torch.randn(3, 2, 2, BINS, 256, generator=torch.Generator().manual_seed(0))
    sigma = torch.tensor([0.1, 0.5, 1.0])
    given = heard(half, recording)
    whole = told_spectrograms(half, given).denoise(u, sigma)
    monkeypatch.setattr(restore_speech.recipes.spectral, "TILE", 128)
    monkeypatch.setattr(restore_speech.recipes.spectral, "OVERLAP", 32)
    # float32 sums of blended tiles
    assert torch.allclose(told_spectrograms(half, given).denoise(u, sigma), whole, atol=1e-5)
    assert torch.allclose(whole, 0.5 * u + sigma[:, None, None, None, None], atol=1e-5)


def test_an_imported_checkpoint_enhances_a_recording(home):
    imported("wsj")
    assert "wsj: whole" in restore("priors", "verify").stdout
    assert restore("priors", "show", "wsj").exit_code == 0
    with pytest.raises(WeightsError, match="wsj must be told a noisy recording; restore run enh"):
        load_prior("wsj").denoise(torch.zeros(1, 2, 256, 64), 0.5)
    save("noisy.wav", syllables(0.5, channels=2)[:, :7999], RATE)
    run = ("run", "enhance", "noisy.wav", "-o", "out", "--prior", "wsj", "--device", "cpu")
    done = restore(*run, "--steps", "3")
    assert done.exit_code == 0, done.stderr
    values, rate = soundfile.read("out/noisy/restored.wav")
    assert values.shape == (7999, 2) and rate == RATE and values.any()
    assert (home / "out/noisy/report.html").stat().st_size > 1000
    save("mono.wav", syllables(0.5), RATE)
    done = restore(
        *run[:2], "mono.wav", *run[3:], "--overwrite", "--steps", "2", "--set", "snr=0.33"
    )
    assert done.exit_code == 0 and "sampler predictor-corrector" in done.stderr, done.stderr


def test_an_imported_checkpoint_of_storm_runs_both_stages(home):
    """What the score network is told, and where its sampler begins, is what the first predicts."""
    parts = {
        "first": {**UNET, "channels": 2, "conditional": False, "attention": []},
        "unet": {**UNET, "channels": 6, "attention": []},
    }
    network = family("storm").build(parts)
    draw = torch.Generator().manual_seed(0)
    values = network.state_dict().items()
    state = {k: v + 0.1 * torch.randn(v.shape, generator=draw) for k, v in values}
    torch.save({"state_dict": state}, "storm.ckpt")
    assert restore("priors", "import", "storm.ckpt", "--name", "storm").exit_code == 0
    recording = syllables(0.5, channels=2)
    prior = load_prior("storm")
    given = heard(prior, recording)
    noisy = given.front.of(recording)
    assert given.front.factor == 0.33 and torch.equal(given.told[:, :2], noisy)
    network.load_state_dict(state)
    with torch.no_grad():
        estimate = network.denoiser_net(2 * noisy - 1, torch.ones(2))
    # float32 sums, which batches of one order otherwise
    torch.testing.assert_close(given.told[:, 2:], estimate, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(given.begins, given.front.waveform(given.told[:, 2:]))
    save("noisy.wav", recording, RATE)
    run = ("run", "enhance", "noisy.wav", "-o", "out", "--prior", "storm", "--device", "cpu")
    done = restore(*run, "--steps", "2")
    assert done.exit_code == 0, done.stderr
    values, rate = soundfile.read("out/noisy/restored.wav")
    assert values.shape == (8000, 2) and rate == RATE and values.any()


def test_a_front_is_what_the_prior_is_told_and_begins_at(home):
    recording = syllables(0.5)[:, :4000]
    seen = predicted(recording, dry=False)
    assert seen.shape == recording.shape
    assert not torch.allclose(seen, recording, atol=1e-3)
    assert torch.equal(seen, predicted(recording, dry=False))
    imported("wsj")
    save("noisy.wav", recording, RATE, "FLOAT")
    asked = {"prior": "wsj", "device": "cpu"}
    heard = pose(home / "noisy.wav", Settings.of("enhance", **asked)).task.sampler.init
    front = Settings.of("enhance", {"front": "predict"}, **asked)
    begun = pose(home / "noisy.wav", front).task.sampler.init
    assert torch.allclose(begun, predicted(heard, dry=False), atol=1e-6)  # float32


@pytest.mark.parametrize("recipe", ["enhance", "dereverb"])
def test_a_front_is_for_spectrograms_alone(home, recipe):
    save("a.wav", syllables(0.3), RATE)
    done = restore("run", recipe, "a.wav", "-o", "out", "--front", "predict", "--device", "cpu")
    assert done.exit_code in (1, 2) and "SGMSE+" in done.stderr and not Path("out/a").exists()


def test_levels_are_those_of_sgmse(home):
    imported("wsj")
    prior = load_prior("wsj")
    sigmas = prior.schedule(30)
    assert len(sigmas) == 31 and sigmas[-1] == 0
    times = OrnsteinUhlenbeck().time(sigmas[:-1] * 2**0.5)
    assert torch.allclose(times, torch.linspace(1, 0.03, 30, dtype=torch.float64))
    assert sigmas[0].item() == pytest.approx(prior.sigma_max)


def test_priors_of_something_else_are_refused_in_one_line(home):
    save("a.wav", syllables(0.3).clamp(-0.15, 0.15), RATE, "FLOAT")
    imported("wide", attention=[], summed=False, entry="none")
    imported("coarse", attention=[3], widths=[8] * 4)
    run = ("run", "{}", "a.wav", "-o", "out", "--device", "cpu", "--prior")
    for recipe, prior, said in (
        ("enhance", "wide", "wide is not of 256 frequencies at 16 kHz"),
        ("dereverb", "coarse", "coarse is not of 256 frequencies at 16 kHz"),
        ("declip", "coarse", "coarse is told spectrograms"),
        ("enhance", "image-grey", "cannot be told a noisy recording; speech-enhance can"),
    ):
        done = restore(*(word.format(recipe) for word in run), prior)
        *notes, line = done.stderr.strip().splitlines()
        assert not notes or recipe == "declip", notes  # which tells the clip level first
        assert done.exit_code and said in line and not (home / "out").exists(), line
