"""What is wrong with a recording, read off its waveform: clipping, gaps, a band that ends."""

import numpy as np
import torch
from torch import Tensor

from .silence import runs, still

TOP = 1e-3  # of the peak: samples this close to it lie at a clipping level, if there is one
FEWEST = 8  # of them that make one
CROWDED = 5.0  # times as many as the tail of the distribution below it would have there
SHORTEST, LONGEST = 0.002, 0.5  # seconds of one value that are a gap, not a pause
EDGE = 20.0  # dB by which the spectrum falls where a band ends
REACH = 300.0  # Hz on each side of a band's end that are compared
SIZE = 1024  # of the spectra, whatever the rate


def clip_level(signal: Tensor) -> float | None:
    """The value that a recording was clipped at, in its own units; None where it was not.

    (channels, samples). By the histogram of magnitudes: the bin at the peak holds several times
    what the bins below let expect. It is the least value in that bin.
    """
    size = signal.abs()
    peak = size.max().item()
    at_top = size >= (1 - TOP) * peak
    crowd = int(at_top.sum())
    below = int(((size >= 0.9 * peak) & (size < 0.99 * peak)).sum()) * TOP / 0.09
    if peak == 0 or crowd < max(FEWEST, CROWDED * below):
        return None
    return size[at_top].min().item()


def gaps(signal: Tensor, rate: int) -> Tensor:
    """Which samples were lost: runs of one value of 2 to 500 ms inside the recording.

    (channels, samples) -> bool, the same. Shorter ones may be chance, longer ones are pauses; what
    a recording begins and ends with is no gap.
    """
    lost = torch.zeros_like(signal, dtype=torch.bool)
    for mark, channel in zip(lost.numpy(), signal.numpy()):
        for first, last in still(channel, max(3, round(SHORTEST * rate))):
            if first > 0 and last < len(channel) and last - first <= LONGEST * rate:
                mark[first:last] = True
    return lost


def band_end(signal: Tensor, rate: int) -> float | None:
    """The frequency in Hz above which a recording holds nothing more; None where it fills its band.

    (channels, samples). Where the long-term spectrum falls most steeply, by 20 dB at least.
    """
    padded = torch.nn.functional.pad(signal.double(), (0, SIZE))
    window = torch.hann_window(SIZE, dtype=torch.float64)
    spectra = torch.stft(padded, SIZE, SIZE // 2, window=window, center=False, return_complex=True)
    power = spectra.abs().square().mean((0, 2)).numpy()
    if not power.any():
        return None
    level = 10 * np.log10(power + 1e-12 * power.max())
    reach = max(2, round(REACH * SIZE / rate))
    means = np.convolve(level, np.ones(reach) / reach, "valid")
    fall = means[:-reach] - means[reach:]  # from bins i .. i + reach - 1 to the next ones
    steepest = int(fall.argmax())
    return None if fall[steepest] < EDGE else (steepest + reach) * rate / SIZE


def lengths(lost: Tensor) -> list[int]:
    """How many samples each gap has; (channels, samples) of bool, channels one after the other."""
    return [int(last - first) for mark in lost.numpy() for first, last in runs(mark)]
