"""Levels, rates, silence and damage: what is read off a waveform."""

from dataclasses import replace

import pytest
import torch
from restore_speech.recordings import at_rate, channelwise
from restore_speech.signals.damage import band_end, clip_level, gaps, lengths
from restore_speech.signals.level import speech_level
from restore_speech.signals.rates import in_model_band, resampled
from restore_speech.signals.silence import awake
from speech_standins import RATE, SPEECH, syllables, white_speech


@pytest.mark.parametrize("decibels", [-20, 20])
def test_a_gain_of_the_recording_is_a_gain_of_its_level(decibels):
    gain = 10 ** (decibels / 20)
    level = speech_level(syllables(), RATE)
    assert speech_level(gain * syllables(), RATE) == pytest.approx(gain * level, rel=1e-6)


def test_a_click_does_not_matter_and_neither_do_pauses():
    signal = syllables(4.0)
    level = speech_level(signal, RATE)
    clicked = signal.clone()
    clicked[0, 9000] = 1.0  # 40 dB above
    assert speech_level(clicked, RATE) == pytest.approx(level, rel=0.05)  # one frame of 125
    paused = torch.cat([signal, torch.zeros(1, 20 * RATE), signal], 1)
    assert speech_level(paused, RATE) == pytest.approx(level, rel=0.05)


def test_the_level_of_a_tone_is_its_root_mean_square():
    tone = 0.3 * torch.sin(torch.arange(RATE) * 0.2)[None]
    assert speech_level(tone, RATE) == pytest.approx(0.3 / 2**0.5, rel=0.01)


def test_silence_has_no_level():
    assert speech_level(torch.zeros(2, RATE), RATE) == 0


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000])
def test_there_and_back_again_is_aligned_and_as_long(rate):
    signal = resampled(syllables(1.0), RATE, rate)
    there = resampled(signal, rate, RATE)
    back = resampled(there, RATE, rate, signal.shape[1])
    assert there.shape == (1, RATE) and back.shape == signal.shape
    inside = slice(rate // 10, -rate // 10)
    error = (back - in_model_band(signal, rate))[:, inside].abs().max()
    assert error < 2e-3  # of 0.3: the transition band of soxr's filter, twice


def test_digital_silence_is_not_to_be_changed_and_what_is_beside_it_begins_slowly():
    signal = syllables(1.0)
    signal[0, 4000:8000] = 0
    weight = awake(signal, RATE)[0]
    assert not weight[4000:8000].any()
    assert weight[:3919].min() == 1 and weight[8081:].min() == 1
    assert weight.diff().abs().max() <= 1 / 80 + 1e-6  # a ramp of 5 ms


def test_a_constant_recording_is_still_and_a_short_run_is_none():
    assert not awake(torch.full((1, RATE), 0.25), RATE).any()
    signal = syllables(1.0)
    signal[0, 5000:5100] = 0.1  # 6 ms
    assert awake(signal, RATE).min() == 1


@pytest.mark.parametrize("gain", [0.01, 1.0])
def test_the_clip_level_is_found_whatever_the_gain(gain):
    signal = (gain * syllables(2.0)).clamp(-0.15 * gain, 0.15 * gain)
    assert clip_level(signal) == pytest.approx(0.15 * gain, rel=1e-6)


def test_what_was_not_clipped_has_no_clip_level():
    assert clip_level(syllables(2.0)) is None
    assert clip_level(torch.zeros(1, RATE)) is None
    torch.manual_seed(0)
    assert clip_level(torch.randn(1, 100_000)) is None


def test_gaps_are_runs_of_one_value_inside_the_recording():
    signal = syllables(2.0)
    for first, last, value in ((5000, 5640, 0.0), (9000, 9100, 0.02), (20_000, 20_010, 0.0)):
        signal[0, first:last] = value  # the last is shorter than 2 ms
    signal[0, :1000] = 0
    assert lengths(gaps(signal, RATE)) == [640, 100]


@pytest.mark.parametrize("cutoff", [3000, 4000, 6000])
def test_the_end_of_a_band_is_found(cutoff):
    torch.manual_seed(0)
    spectrum = torch.fft.rfft(0.1 * torch.randn(1, 4 * RATE))
    spectrum[:, 4 * cutoff :] = 0
    narrow = torch.fft.irfft(spectrum)
    assert band_end(narrow, RATE) == pytest.approx(cutoff, abs=60)
    assert band_end(0.1 * torch.randn(1, 4 * RATE), RATE) is None


@pytest.mark.parametrize("rate", [8000, 24_000, 48_000])
@pytest.mark.parametrize("sigma", [0.02, 0.2])
def test_a_prior_at_another_rate_errs_as_its_law_says(rate, sigma):
    generator = torch.Generator().manual_seed(0)
    samples = rate
    prior = at_rate(white_speech(), rate, samples, above=0.03 if rate > RATE else 0.0)
    spectrum = torch.fft.rfft(torch.randn(8, 1, samples, generator=generator))
    inner = torch.fft.rfft(SPEECH * torch.randn(8, 1, RATE, generator=generator))
    common = (min(rate, RATE) + 1) // 2
    scale = 0.0 if rate < RATE else 0.03 / (1 - RATE / rate) ** 0.5
    spectrum = scale * spectrum
    spectrum[..., :common] = inner[..., :common] * samples / RATE
    x = torch.fft.irfft(spectrum, n=samples)
    noisy = x + sigma * torch.randn(x.shape, generator=generator)
    error = (prior.denoise(noisy, torch.tensor(sigma)) - x).square().mean().item()
    # 64 000 values or more: 3 % is over five standard errors
    assert error == pytest.approx(prior.variance(sigma), rel=0.03)


def test_at_the_models_own_rate_a_prior_is_itself():
    x = torch.randn(2, 1, 400, generator=torch.Generator().manual_seed(0))
    prior = white_speech()
    assert torch.equal(at_rate(prior, RATE, 400, 0.0).denoise(x, 0.1), prior.denoise(x, 0.1))


def test_each_channel_is_denoised_by_itself():
    x = torch.randn(3, 2, 50, generator=torch.Generator().manual_seed(0))
    sigma = torch.tensor([0.1, 0.2, 0.3])
    one = white_speech()

    def by_level(u, level):
        return one.denoise(u, level[:, None, None])

    both = channelwise(replace(one, denoise=by_level), 2).denoise(x, sigma)
    for channel in range(2):
        assert torch.allclose(both[:, channel : channel + 1], by_level(x[:, [channel]], sigma))
