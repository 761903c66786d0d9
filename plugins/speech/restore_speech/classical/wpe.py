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
    y = spectra(signal, OVERLAP * hop, hop).T  # (bands, frames)
    past = np.stack([_delayed(y, delay + k) for k in range(taps)], 1)  # (bands, taps, frames)
    floor = FLOOR * (np.abs(y) ** 2).mean(1, keepdims=True) + np.finfo(float).tiny
    x = y
    for _ in range(rounds):
        weights = 1 / np.maximum(_smoothed(np.abs(x) ** 2), floor)
        weighted = past * weights[:, None]
        covariance = weighted @ past.conj().swapaxes(1, 2)
        trace = np.trace(covariance, axis1=1, axis2=2).real[:, None, None]
        ridge = (1e-10 * trace / taps + np.finfo(float).tiny) * np.eye(taps)
        g = np.linalg.solve(covariance + ridge, weighted @ y.conj()[:, :, None])
        x = y - (g.conj() * past).sum(1)
    return waveform(x.T, OVERLAP * hop, hop, len(signal))


def _delayed(y: np.ndarray, frames: int) -> np.ndarray:
    """y so many frames later, zero before."""
    return np.pad(y, ((0, 0), (frames, 0)))[:, : y.shape[1]]


def _smoothed(power: np.ndarray) -> np.ndarray:
    """The mean with one frame on each side: one frame alone tells its power badly."""
    padded = np.pad(power, ((0, 0), (1, 1)), "edge")
    return (padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]) / 3
