"""Waveforms in and out of classical methods, and short-time spectra of them."""

import functools
from collections.abc import Callable

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from scipy.signal.windows import hann

Waveform = np.ndarray | torch.Tensor


def on_waveforms(method: Callable) -> Callable:
    """A method on float64 arrays (samples,), made one for arrays and tensors of any real kind.

    What comes out has the type, precision and device of what went in. Silence, and a signal of no
    samples, is given back. ValueError for what is no (samples,), or not finite.
    """

    @functools.wraps(method)
    def wrapped(signal: Waveform, *args, **options) -> Waveform:
        tensor = isinstance(signal, torch.Tensor)
        array = signal.detach().cpu().numpy() if tensor else np.asarray(signal)
        if array.ndim != 1:
            raise ValueError(f"a waveform is (samples,), got {array.shape}")
        values = array.astype(np.float64)
        if not np.isfinite(values).all():
            raise ValueError("the waveform holds values that are not finite (NaN or infinity)")
        found = method(values, *args, **options) if values.any() else values
        found = found.astype(array.dtype if array.dtype.kind == "f" else np.float64)
        return torch.from_numpy(found).to(signal.device) if tensor else found

    return wrapped


def windowed(signal: np.ndarray, window: np.ndarray, hop: int) -> np.ndarray:
    """Frames over the whole signal, zero beyond its ends; (samples,) -> (frames, size)."""
    size = len(window)
    count = -(-(len(signal) + size - hop) // hop)
    after = (count - 1) * hop + size - (size - hop) - len(signal)
    padded = np.pad(signal, (size - hop, after))
    return sliding_window_view(padded, size)[::hop] * window


def overlapped(frames: np.ndarray, window: np.ndarray, hop: int, length: int) -> np.ndarray:
    """The sum of windowed frames at their places; (frames, size) -> (length,)."""
    size = frames.shape[1]
    whole = np.zeros((len(frames) - 1) * hop + size)
    for start, frame in zip(range(0, len(whole), hop), frames * window):
        whole[start : start + size] += frame
    return whole[size - hop : size - hop + length]


def root_hann(size: int, hop: int) -> np.ndarray:
    """The root of a periodic Hann window, its squares adding up to 1 where frames overlap."""
    return np.sqrt(hann(size, sym=False) * 2 * hop / size)


def spectra(signal: np.ndarray, size: int, hop: int) -> np.ndarray:
    """Short-time spectra; (samples,) -> (frames, size / 2 + 1), complex."""
    return np.fft.rfft(windowed(signal, root_hann(size, hop), hop))


def waveform(spectrum: np.ndarray, size: int, hop: int, length: int) -> np.ndarray:
    """What `spectra` came from, where nothing was changed; (frames, bins) -> (length,)."""
    return overlapped(np.fft.irfft(spectrum, n=size), root_hann(size, hop), hop, length)
