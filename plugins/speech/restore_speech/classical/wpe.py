"""Dereverberation by weighted prediction error: Nakatani et al., IEEE TASLP 18(7), 2010."""

import numpy as np

from .frames import Waveform, on_waveforms, spectra, waveform

FRAME, OVERLAP = 0.032, 4  # s; frames a frame length
FLOOR = 1e-6  # of the power of a band: its quietest frames weigh no more than this allows


@on_waveforms
def wpe(
    signal: Waveform, rate: int, *, taps: int = 20, delay: int = 4, rounds: int = 3
) -> Waveform:
    """The signal less what its own past predicts; (samples,) -> (samples,).

    In each band x_t = y_t - sum_k g_k* y_(t - delay - k), k below `taps`, with g and the power of x
    estimated in turn. rate: in Hz. delay: frames that are left alone, as speech predicts itself
    over them, 32 ms by default. One channel; early reflections stay, and so does noise.
    """
    hop = max(round(FRAME * rate / OVERLAP), 1)
    bands = spectra(signal, OVERLAP * hop, hop).T
    dry = np.stack([_dry(band, taps, delay, rounds) for band in bands])
    return waveform(dry.T, OVERLAP * hop, hop, len(signal))


def _dry(y: np.ndarray, taps: int, delay: int, rounds: int) -> np.ndarray:
    """One band; (frames,) -> (frames,)."""
    past = np.stack([np.pad(y, (delay + k, 0))[: len(y)] for k in range(taps)])
    floor = FLOOR * np.mean(np.abs(y) ** 2) + np.finfo(float).tiny
    x = y
    for _ in range(rounds):
        weighted = past / np.maximum(_smoothed(np.abs(x) ** 2), floor)
        covariance = weighted @ past.conj().T
        ridge = 1e-10 * np.trace(covariance).real / taps + np.finfo(float).tiny
        g = np.linalg.solve(covariance + ridge * np.eye(taps), weighted @ y.conj())
        x = y - g.conj() @ past
    return x


def _smoothed(power: np.ndarray) -> np.ndarray:
    """The mean with one frame on each side: one frame alone tells its power badly."""
    padded = np.pad(power, 1, "edge")
    return (padded[:-2] + padded[1:-1] + padded[2:]) / 3
