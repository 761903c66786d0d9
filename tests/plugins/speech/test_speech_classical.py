"""Classical methods of speech: closed forms, and what each is known to do."""

import functools

import numpy as np
import pytest
import torch
from restore_speech import classical
from restore_speech.classical.frames import spectra, waveform
from restore_speech.classical.interpolation import _refine
from restore_speech.classical.minimum_statistics import noise_power
from restore_speech.classical.suppression import log_mmse_gain, wiener_gain
from scipy.integrate import quad
from scipy.linalg import toeplitz
from scipy.special import i0e

RATE = 16000
RNG = np.random.default_rng(0)
KEPT = (np.arange(RATE) + 2000) % 4000 > 320
RESPONSE = np.concatenate([[1.0], 0.2 * RNG.standard_normal(300) * 0.98 ** np.arange(300)])


def voice(samples=RATE):
    """Harmonics of 120 Hz in syllables of a fifth of a second, with pauses."""
    t = np.arange(samples) / RATE
    tones = sum(np.sin(2 * np.pi * 120 * k * t + k**2) / k for k in range(1, 25))
    return 0.1 * tones * (np.sin(2 * np.pi * 2.5 * t) > 0)


def decibels(signal, reference):
    return 10 * np.log10(np.sum(reference**2) / np.sum((signal - reference) ** 2))


METHODS = {
    "interpolate_ar": lambda x, gain: classical.interpolate_ar(x, KEPT),
    "declip_aspade": lambda x, gain: classical.declip_aspade(x, 0.15 * gain),
    "log_mmse": lambda x, gain: classical.log_mmse(x, RATE),
    "wiener": lambda x, gain: classical.wiener(x, RATE),
    "spectral_gate": lambda x, gain: classical.spectral_gate(x, RATE),
    "wpe": lambda x, gain: classical.wpe(x, RATE),
    "wiener_deconvolve": lambda x, gain: classical.wiener_deconvolve(x, RESPONSE, 0.01 * gain),
}
every = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
NOISY = (voice() + 0.01 * np.random.default_rng(1).standard_normal(RATE)).clip(-0.15, 0.15)


@every
def test_a_louder_input_gives_the_same_louder(method):
    plain = method(NOISY, 1.0)
    for gain in (0.1, 10.0):  # +-20 dB
        # float32 inside one of them
        assert np.allclose(method(gain * NOISY, gain), gain * plain, atol=1e-4 * gain)


@every
def test_kind_length_and_silence_are_kept(method):
    found = method(torch.from_numpy(NOISY).float(), 1.0)
    assert found.dtype == torch.float32 and found.shape == (RATE,)
    assert not method(np.zeros(RATE), 1.0).any()
    assert method(NOISY.astype(np.float32), 1.0).dtype == np.float32


@every
def test_what_is_no_waveform_is_refused(method):
    with pytest.raises(ValueError, match="a waveform is"):
        method(NOISY[None], 1.0)
    with pytest.raises(ValueError, match="not finite"):
        method(np.where(np.arange(RATE) == 5, np.nan, NOISY), 1.0)


@pytest.mark.parametrize(
    "method", [classical.log_mmse, classical.wiener, classical.spectral_gate, classical.wpe]
)
@pytest.mark.parametrize("samples", [1, 100, 700, 5000])
def test_short_signals_come_back_as_long_and_finite(method, samples):
    found = method(RNG.standard_normal(samples), RATE)
    assert found.shape == (samples,) and np.isfinite(found).all()


def test_spectra_are_those_of_the_waveform():
    x = RNG.standard_normal(5001)
    assert np.allclose(waveform(spectra(x, 512, 128), 512, 128, 5001), x)


def test_a_gap_is_the_conditional_mean_of_its_autoregressive_process():
    """E[lost | kept] by a dense solve with the precision of the process of Yule and Walker."""
    x, order = RNG.standard_normal(300).cumsum(), 3
    lost = np.arange(140, 170)
    found = x.copy()
    _refine(found, lost, order)
    correlation = np.array([x[: 300 - lag] @ x[lag:] for lag in range(order + 1)])
    a = np.linalg.solve(toeplitz(correlation[:-1]), correlation[1:])
    error = sum(w * np.eye(303, 300, k=-lag) for lag, w in enumerate([1.0, *-a]))
    precision, others = error.T @ error, np.setdiff1d(np.arange(300), lost)
    expected = -np.linalg.solve(
        precision[np.ix_(lost, lost)], precision[np.ix_(lost, others)] @ x[others]
    )
    assert np.allclose(found[lost], expected, atol=1e-5 * np.abs(x).max())  # RIDGE is 1e-9


def test_lost_harmonics_come_back_and_kept_samples_stay():
    t = np.arange(RATE) / RATE
    x = np.sin(2 * np.pi * 200 * t) + 0.5 * np.sin(2 * np.pi * 730 * t)
    found = classical.interpolate_ar(np.where(KEPT, x, 99.0), KEPT)
    assert decibels(found[~KEPT], x[~KEPT]) > 20  # 20 ms gaps of pure tones
    assert np.array_equal(found[KEPT], x[KEPT])


def test_samples_lost_here_and_there_come_back():
    t = np.arange(RATE) / RATE
    x, kept = np.sin(2 * np.pi * 300 * t), np.random.default_rng(2).random(RATE) > 0.3
    found = classical.interpolate_ar(np.where(kept, x, 0.0), kept)
    assert decibels(found[~kept], x[~kept]) > 30


def test_declipping_is_consistent_and_gains_ten_decibels_on_a_chord():
    t = np.arange(RATE) / RATE
    x = sum(np.sin(2 * np.pi * f * t + f) for f in (220, 277, 330, 440))
    level = 0.4 * np.abs(x).max()
    y = x.clip(-level, level)
    found = classical.declip_aspade(y, level)
    clipped = np.abs(y) >= level
    assert np.array_equal(found[~clipped], y[~clipped])
    assert (np.abs(found[clipped]) >= level * (1 - 1e-5)).all()  # float32 inside
    assert decibels(found, x) > decibels(y, x) + 10
    assert np.array_equal(
        classical.declip_aspade(0.1 * x / np.abs(x).max(), 1.0), 0.1 * x / np.abs(x).max()
    )


def test_the_gain_of_log_mmse_is_the_mean_of_log_amplitude():
    """exp E[log |X|] of a Rice distribution by quadrature, against the closed form."""
    prior, after = 1.7, 2.4
    v = prior / (1 + prior) * after
    spread = prior / (1 + prior)  # of |X|^2 given Y, in units of the noise
    centre = prior / (1 + prior) * after**0.5

    def density(r):
        return 2 * r / spread * np.exp(-((r - centre) ** 2) / spread) * i0e(2 * r * centre / spread)

    mean = quad(lambda r: np.log(r) * density(r), 0, 20)[0]
    assert log_mmse_gain(np.array(prior), np.array(after)) == pytest.approx(
        np.exp(mean) / after**0.5, rel=1e-6
    )
    assert v > 0 and wiener_gain(np.array(prior), np.array(after)) == prior / (1 + prior)


def test_minimum_statistics_finds_the_power_of_white_noise_under_speech():
    x = np.tile(voice(), 4) + 0.05 * RNG.standard_normal(4 * RATE)
    power = np.abs(spectra(x, 512, 256)) ** 2
    noise = noise_power(power[1:-1], 256 / RATE)
    # 256 hops of unit window power a bin; Martin finds a bias of some tenths
    expected = 0.05**2 * 256
    assert 0.7 < np.median(noise) / expected < 1.3
    assert 0.5 < noise[:5].mean() / expected < 3  # from the beginning on


@pytest.mark.parametrize("name", ["log_mmse", "wiener", "spectral_gate"])
def test_white_noise_is_suppressed_and_the_first_half_second_no_worse(name):
    x = np.tile(voice(), 4)
    y = x + 0.03 * np.random.default_rng(3).standard_normal(4 * RATE)
    found = getattr(classical, name)(y, RATE)
    assert decibels(found, x) > decibels(y, x) + 4
    half = slice(0, RATE // 2)
    assert decibels(found[half], x[half]) > decibels(found, x) - 3


def test_prediction_error_takes_late_echoes_away_and_leaves_a_dry_signal():
    x = RNG.standard_normal(3 * RATE) * np.repeat(RNG.random(30) ** 2, RATE // 10)
    response = np.zeros(RATE // 2)
    response[0] = 1
    response[1200:] = (
        0.1
        * RNG.standard_normal(RATE // 2 - 1200)
        * 10 ** (-3 * np.arange(RATE // 2 - 1200) / (RATE // 2))
    )
    y = np.convolve(x, response)[: 3 * RATE]
    assert decibels(classical.wpe(y, RATE), x) > decibels(y, x) + 1
    assert decibels(classical.wpe(x, RATE), x) > 10


def test_a_known_response_is_undone():
    x = voice()
    y = np.convolve(x, RESPONSE)
    found = classical.wiener_deconvolve(y, RESPONSE, 0.0)
    assert decibels(found[:RATE], x) > 60
    noisy = y + 0.001 * RNG.standard_normal(len(y))
    found = classical.wiener_deconvolve(noisy, RESPONSE, 0.001)
    assert decibels(found[:RATE], x) > decibels(y[:RATE], x) + 5


@pytest.mark.parametrize(
    "wrong",
    [
        functools.partial(classical.interpolate_ar, kept=KEPT[1:]),
        functools.partial(classical.declip_aspade, level=0.0),
        functools.partial(classical.wiener_deconvolve, response=[0.0], noise_std=0.1),
        functools.partial(classical.wiener_deconvolve, response=RESPONSE, noise_std=-1.0),
    ],
)
def test_options_of_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match=r"got|waveform"):
        wrong(NOISY)
