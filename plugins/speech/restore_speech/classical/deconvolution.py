"""A known response undone by Wiener's filter."""

import numpy as np
import torch
from scipy.fft import next_fast_len
from scipy.ndimage import uniform_filter1d

from .frames import Waveform, on_waveforms

BANDS = 64  # over which the spectrum of the signal is smoothed
FLOOR = 1e-6  # of the largest power: no band is given up


def wiener_deconvolve(signal: Waveform, response: Waveform, noise_std: float) -> Waveform:
    """x of signal = response * x + white noise of noise_std; (samples,) -> (samples,).

    X = H* Y P / (|H|^2 P + noise_std^2), with the power P of x taken from Y, smoothed over
    frequency; by FFTs padded to hold the whole convolution. Where the signal has its tail, x has
    about zeros. response: (taps,). noise_std: in the signal's units, 0 for none. ValueError for a
    negative one, and for a response of zeros.
    """
    taps = np.asarray(response.cpu() if isinstance(response, torch.Tensor) else response, float)
    if taps.ndim != 1 or not np.isfinite(taps).all() or not taps.any():
        raise ValueError(f"a response is (taps,), finite and not zero, got {taps.shape}")
    if not noise_std >= 0:
        raise ValueError(f"the noise std must not be negative, got {noise_std}")
    return _deconvolved(signal, taps, float(noise_std))


@on_waveforms
def _deconvolved(y: np.ndarray, taps: np.ndarray, noise_std: float) -> np.ndarray:
    size = next_fast_len(len(y) + len(taps), real=True)
    spectrum, transfer = np.fft.rfft(y, n=size), np.fft.rfft(taps, n=size)
    noise = len(y) * noise_std**2
    width = max(len(spectrum) // BANDS, 1)
    seen = uniform_filter1d(np.abs(spectrum) ** 2, width, mode="nearest")
    gain = uniform_filter1d(np.abs(transfer) ** 2, width, mode="nearest")
    power = np.maximum(seen - noise, 0) / np.maximum(gain, FLOOR * gain.max())
    power = np.maximum(power, FLOOR * power.max())
    least = np.finfo(float).eps * (np.abs(transfer) ** 2 * power).max()  # where there is no noise
    estimate = transfer.conj() * spectrum * power / (np.abs(transfer) ** 2 * power + noise + least)
    return np.fft.irfft(estimate, n=size)[: len(y)]
