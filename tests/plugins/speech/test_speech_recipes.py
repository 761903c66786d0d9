"""Recipes for speech on priors known in closed form: what comes out, and what must not change."""

import gc
from dataclasses import replace

import pytest
import restore_speech.conditional
import soundfile
import torch
from restore_speech.conditional import nothing_measured, told
from restore_speech.files.sound import read_sound
from restore_speech.priors import enhancer as embedded
from restore_speech.signals.level import LEVEL
from restore_speech.signals.rates import in_model_band
from speech_standins import (
    NOISE,
    RATE,
    SPEECH,
    WhiteEnhancer,
    enhancer,
    load_prior,
    save,
    syllables,
)  # fmt: skip

from restore.files.problem import Settings
from restore.files.restoring import restore_file
from restore.sampling.by_name import sample
from restore.testing import check_plugin

GAIN = NOISE**-2 / (SPEECH**-2 + NOISE**-2)  # of the stand-in's mean of speech given a recording


def run(tmp_path, recipe, signal, rate=RATE, *, prior=load_prior, subtype="FLOAT", **flags):
    """(channels, samples) through a recipe; what `restored.wav` holds, and the account."""
    path = save(tmp_path / "in.wav", signal, rate, subtype)
    options = flags.pop("options", {})
    facts = restore_file(
        path, tmp_path / "out", Settings.of(recipe, options, **flags), load_prior=prior
    )
    return read_sound(tmp_path / "out" / "restored.wav").signal, facts


def test_the_plugin_keeps_the_contract():
    check_plugin("restore_speech.plugin")


def test_one_call_gives_the_mean_of_speech_given_the_recording(tmp_path):
    signal = syllables() + 0.1
    restored, facts = run(tmp_path, "enhance", signal)
    mean = signal.mean()
    assert torch.allclose(restored, mean + GAIN * (signal - mean), atol=1e-5)
    assert (facts["calls"], facts["chains"], facts["chi_square"]) == (1, 1, None)


def test_samples_have_the_moments_of_speech_given_the_recording():
    recording = syllables(0.01)
    prior = told(enhancer(), recording)
    shape = tuple(recording.shape)
    found = sample(
        nothing_measured(shape), prior, "shared-noise", integrator="heun", chains=400, steps=120
    )
    std = (SPEECH**-2 + NOISE**-2) ** -0.5
    # 5 standard errors of a mean, for the largest of 160; those of the variance are far below 2 %,
    # which is what 120 steps leave
    assert (found.mean - GAIN * recording).abs().max() < 5 * std / 20
    assert found.std.square().mean().sqrt().item() == pytest.approx(std, rel=0.02)


@pytest.mark.parametrize("recipe", ["enhance", "dereverb"])
@pytest.mark.parametrize("decibels", [-20, 20])
def test_the_level_of_a_recording_changes_nothing_but_the_level(tmp_path, recipe, decibels):
    gain = 10 ** (decibels / 20)
    signal = 0.3 * syllables(channels=2)
    plain, _ = run(tmp_path, recipe, signal, 44_100)
    louder, _ = run(tmp_path, recipe, gain * signal, 44_100)
    assert torch.allclose(louder, gain * plain, atol=1e-5 * gain)


@pytest.mark.parametrize(
    ("rate", "subtype"), [(8000, "PCM_16"), (22_050, "PCM_24"), (48_000, "FLOAT")]
)
def test_rate_channels_depth_length_and_alignment_are_the_recordings(tmp_path, rate, subtype):
    signal = syllables(1.0, rate, channels=2)[:, : rate - 7]
    restored, _ = run(tmp_path, "enhance", signal, rate, subtype=subtype)
    info = soundfile.info(tmp_path / "out" / "restored.wav")
    assert (info.samplerate, info.channels, info.subtype) == (rate, 2, subtype)
    assert restored.shape == signal.shape
    spectrum = torch.fft.rfft(restored).conj() * torch.fft.rfft(signal)
    assert torch.fft.irfft(spectrum, n=signal.shape[1]).argmax(1).tolist() == [0, 0]


def test_digital_silence_stays_digital_silence_and_the_constant_stays(tmp_path):
    signal = syllables()
    signal[:, 10_000:14_000] = 0
    restored, _ = run(tmp_path, "enhance", signal, subtype="PCM_16")
    assert not restored[:, 10_000:14_000].any() and restored[:, :9000].any()
    silent, facts = run(tmp_path, "enhance", torch.zeros(2, RATE), subtype="PCM_16")
    assert not silent.any() and facts["facts"]["level of speech"] == "digital silence"
    shifted, _ = run(tmp_path, "enhance", syllables() + 0.2)
    assert shifted.mean().item() == pytest.approx((syllables() + 0.2).mean().item(), abs=1e-6)


def test_no_strength_is_no_change_to_the_last_bit(tmp_path):
    before = read_sound(save(tmp_path / "a.wav", syllables(1.0, 44_100), 44_100)).signal
    after, _ = run(tmp_path, "enhance", before, 44_100, subtype="PCM_16", options={"strength": 0.0})
    assert torch.equal(after, before)


def test_what_is_taken_away_is_lowered_by_no_more_than_was_allowed(tmp_path):
    signal = syllables() - syllables().mean()
    limited, _ = run(tmp_path, "enhance", signal, options={"max_attenuation": 6.0})
    kept = 10 ** (-6 / 20)
    assert torch.allclose(limited, (GAIN + kept * (1 - GAIN)) * signal, atol=1e-5)


@pytest.mark.parametrize(("choice", "gain"), [("keep", 1.0), ("drop", 0.0), ("match", GAIN)])
def test_the_band_above_the_models_is_kept_dropped_or_matched(tmp_path, choice, gain):
    signal = 0.1 * torch.randn(1, 48_000, generator=torch.Generator().manual_seed(0))
    restored, _ = run(tmp_path, "enhance", signal, 48_000, options={"high_band": choice})
    centred = signal - signal.mean()
    above = [(x - in_model_band(x, 48_000))[:, 4800:-4800] for x in (centred, restored)]
    share = (above[0] * above[1]).sum() / above[0].square().sum()
    assert share.item() == pytest.approx(gain, abs=0.01)  # both filters' transition bands


def test_stereo_keeps_its_image_and_mid_is_one_for_all(tmp_path):
    one = syllables() - syllables().mean()
    both = torch.cat([one, 0.25 * one])
    shared, _ = run(tmp_path, "enhance", both)
    assert torch.allclose(shared[1], 0.25 * shared[0], atol=5e-6)
    alike, _ = run(tmp_path, "enhance", torch.cat([one, one]), chains=3, seed=5)
    assert torch.equal(alike[0], alike[1])  # one noise for both
    apart, _ = run(tmp_path, "enhance", torch.cat([one, one]), chains=3, options={"stereo": "mid"})
    assert torch.equal(apart[0], apart[1])
    alone, _ = run(tmp_path, "enhance", both, options={"stereo": "independent"})
    assert torch.allclose(alone, GAIN * both, atol=1e-5)


def test_tiles_are_as_the_whole_and_no_call_sees_more(monkeypatch):
    recording = syllables(1.0)
    whole = told(enhancer(), recording)
    monkeypatch.setattr(restore_speech.conditional, "TILE", 4000)
    monkeypatch.setattr(restore_speech.conditional, "OVERLAP", 1000)
    tiled = told(enhancer(), recording)
    u = torch.randn(2, 1, RATE, generator=torch.Generator().manual_seed(0))
    sigma = torch.tensor([0.1, 0.5])
    assert torch.allclose(tiled.denoise(u, sigma), whole.denoise(u, sigma), atol=1e-6)
    assert (whole.network.longest, tiled.network.longest) == (RATE, 4000)


class Offset(WhiteEnhancer):
    """A network whose answer is wrong by another constant in every tile."""

    def forward(self, u, sigma, noisy, dry):
        return super().forward(u, sigma, noisy, dry) + noisy[..., :1]


def test_tiles_that_disagree_meet_without_a_click(monkeypatch):
    monkeypatch.setattr(restore_speech.conditional, "TILE", 4000)
    monkeypatch.setattr(restore_speech.conditional, "OVERLAP", 1000)
    recording, u = syllables(1.0), torch.zeros(1, 1, RATE)
    level = torch.tensor(1e3)
    right = told(enhancer(), recording).denoise(u, level)
    wrong = told(replace(enhancer(), network=Offset()), recording).denoise(u, level) - right
    apart = 2 * recording.abs().max()
    assert wrong.abs().max() > 0.01
    assert wrong.diff().abs().max() <= apart / 1001 + 1e-6  # a ramp over the overlap


class ColdStart(WhiteEnhancer):
    """A network that hears nothing in the first quarter of a second of a call."""

    def forward(self, u, sigma, noisy, dry):
        warm = torch.arange(u.shape[-1]) >= RATE // 4
        return warm * super().forward(u, sigma, noisy, dry)


def test_the_first_half_second_is_no_worse_than_the_rest(tmp_path):
    signal = syllables() - syllables().mean()
    cold = replace(enhancer(), network=ColdStart())
    restored, _ = run(tmp_path, "enhance", signal, prior=lambda name: cold)
    assert torch.allclose(restored, GAIN * signal, atol=1e-5)


def test_what_is_clean_stays_when_loud_or_narrow_or_after_long_silence(tmp_path, shared_data):
    """By the embedded network: what is changed lies 20 dB below the speech; 33 were measured."""
    path = shared_data / "speech" / "clean_misc" / "cmu_arctic" / "cmu_arctic_us_axb_a0004.wav"
    clean = read_sound(path).signal[:, 6000:16_000]
    clean = clean - clean.mean()
    frequency = torch.fft.rfftfreq(clean.shape[1], 1 / RATE)
    telephone = torch.fft.rfft(clean) * ((frequency > 300) & (frequency < 3400))
    narrow = torch.fft.irfft(telephone, n=clean.shape[1])
    late = torch.cat([clean, torch.zeros(1, RATE), clean], 1)
    for name, signal in (("loud", clean / clean.abs().max()), ("narrow", narrow), ("late", late)):
        (tmp_path / name).mkdir()
        restored, _ = run(tmp_path / name, "enhance", signal, prior=lambda name: embedded())
        error = (restored - signal)[:, -8000:].square().sum() / signal[:, -8000:].square().sum()
        assert error < 0.01, name


def test_samples_and_their_spread_are_written_and_a_seed_repeats_them(tmp_path):
    signal = syllables(0.5)
    first, facts = run(tmp_path, "enhance", signal, chains=3, samples=True, seed=2)
    again, _ = run(tmp_path, "enhance", signal, chains=3, samples=True, seed=2)
    other, _ = run(tmp_path, "enhance", signal, chains=3, samples=True, seed=3)
    assert torch.equal(first, again) and not torch.equal(first, other)
    out = tmp_path / "out"
    samples = torch.stack([read_sound(out / f"sample-{i}.wav").signal for i in (1, 2, 3)])
    assert torch.allclose(samples.mean(0), other, atol=1e-6)
    assert torch.allclose(samples.std(0), read_sound(out / "std.wav").signal, atol=1e-6)
    assert facts["steps"] == 4


def test_the_report_has_players_spectrograms_and_asks_for_nothing_outside(tmp_path):
    run(tmp_path, "enhance", syllables(0.5, channels=2), chains=2)
    page = (tmp_path / "out" / "report.html").read_text()
    assert page.count("<audio") == 3 and "data:audio/flac;base64," in page
    for name in ("input", "restored", "difference", "std"):
        assert f'id="picture-{name}"' in page
    assert "http://" not in page and "https://" not in page


def test_a_prior_that_cannot_be_told_is_refused_by_name(tmp_path):
    with pytest.raises(TypeError, match="speech cannot be told a noisy recording"):
        run(tmp_path, "enhance", syllables(0.5), prior=lambda name: load_prior("speech"))


def test_noise_is_not_asked_for(tmp_path):
    with pytest.raises(ValueError, match="enhance hears the noise itself"):
        run(tmp_path, "enhance", syllables(0.5), noise=0.1)


def test_memory_of_samples_is_at_the_models_level():
    assert LEVEL == SPEECH  # what the stand-ins take for granted


def test_a_long_list_of_files_leaves_nothing_behind(tmp_path):
    """Live tensors after the third file are those after the first."""

    def live():
        gc.collect()
        return sum(type(thing) is torch.Tensor for thing in gc.get_objects())

    prior = enhancer()
    counts = []
    for index in range(3):
        run(tmp_path, "enhance", syllables(0.2, seed=index), prior=lambda name: prior)
        counts.append(live())
    assert counts[2] <= counts[0]
