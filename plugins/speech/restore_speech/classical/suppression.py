"""Noise suppressed in short-time spectra: log-MMSE, and Wiener's filter, decision-directed."""

from collections.abc import Callable

import numpy as np
from scipy.special import exp1

from .frames import Waveform, on_waveforms, spectra, waveform
from .minimum_statistics import noise_power

FRAME, OVERLAP = 0.032, 2  # s; frames a frame length (4 are no better, by PESQ)
MEMORY = 0.98  # alpha of the decision-directed ratio
LEAST = 10**-2.5  # xi_min, -25 dB: below it residual noise becomes musical (Cappe 1994)

Gain = Callable[[np.ndarray, np.ndarray], np.ndarray]


@on_waveforms
def log_mmse(signal: Waveform, rate: int, *, least: float = LEAST) -> Waveform:
    """The estimate of least error in log-amplitude; (samples,) -> (samples,).

    Ephraim & Malah, IEEE TASSP 33(2), 1985, equation 20, with the decision-directed ratio of
    their paper of 1984; the noise's power by minimum statistics (Martin 2001). rate: in Hz.
    least: of the a-priori ratio of speech and noise.
    """
    return _suppressed(signal, rate, log_mmse_gain, least)


@on_waveforms
def wiener(signal: Waveform, rate: int, *, least: float = LEAST) -> Waveform:
    """The linear estimate of least square error; (samples,) -> (samples,).

    Scalart & Filho, ICASSP 1996: gain xi / (1 + xi), the rest as of `log_mmse`.
    """
    return _suppressed(signal, rate, wiener_gain, least)


def log_mmse_gain(prior: np.ndarray, after: np.ndarray) -> np.ndarray:
    """xi / (1 + xi) exp(E1(v) / 2), v = xi gamma / (1 + xi); prior: xi, after: gamma."""
    share = prior / (1 + prior)
    return share * np.exp(0.5 * exp1(np.maximum(share * after, 1e-8)))


def wiener_gain(prior: np.ndarray, after: np.ndarray) -> np.ndarray:
    """xi / (1 + xi); prior: xi."""
    return prior / (1 + prior)


def _suppressed(signal: np.ndarray, rate: int, gain: Gain, least: float) -> np.ndarray:
    hop = max(round(FRAME * rate / OVERLAP), 1)
    size = OVERLAP * hop
    spectrum = spectra(signal, size, hop)
    power = np.abs(spectrum) ** 2
    cut = OVERLAP - 1  # frames that go over an end hold less noise than the others
    if len(power) > 2 * cut:
        inner = power[cut:-cut]
        noise = np.pad(noise_power(inner, hop / rate), ((cut, cut), (0, 0)), "edge")
    else:
        noise = np.broadcast_to(power.mean(0), power.shape)
    noise = np.maximum(noise, np.finfo(float).tiny)
    speech = power[0]  # of the frame before, after suppression
    gains = np.empty_like(power)
    for i, (now, floor) in enumerate(zip(power, noise)):
        after = np.minimum(now / floor, 1e3)
        prior = MEMORY * speech / floor + (1 - MEMORY) * np.maximum(after - 1, 0)
        gains[i] = np.minimum(gain(np.maximum(prior, least), after), 1)
        speech = gains[i] ** 2 * now
    return waveform(gains * spectrum, size, hop, len(signal))
