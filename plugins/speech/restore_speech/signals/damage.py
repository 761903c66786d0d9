"""What is wrong with a recording, read off its waveform: clipping, gaps, a band that ends."""

import numpy as np
import torch
from torch import Tensor

from .silence import runs, still

TOP = 1e-3  # of the peak: samples this close to it lie at a clipping level, if there is one
FINE = 64  # bins in which they are counted
FEWEST = 8  # of them that make one
CROWDED = 5.0  # times as many as the tail of the distribution below it would have there
SHORTEST, LONGEST = 0.002, 0.5  # seconds of one value that are a gap, not a pause
EDGE = 20.0  # dB by which the spectrum falls where a band ends
REACH = 300.0  # Hz on each side of a band's end that are compared
SIZE = 1024  # of the spectra, whatever the rate


class ClipMeter:
    """The value that a recording was clipped at, by the histogram of its magnitudes.

    The bin at the peak then holds several times what the bins below let expect.
    """

    def __init__(self, peak: float):
        """peak: the largest magnitude of all that will be added."""
        self.peak, self.below = peak, 0
        self.counts = np.zeros(FINE, int)
        self.least = np.full(FINE, np.inf)  # of each bin's values

    def add(self, signal: Tensor) -> "ClipMeter":
        """Go on with the next (channels, samples) of the recording; gives itself."""
        if self.peak > 0:
            size = signal.abs().double().numpy().ravel() / self.peak
            top = size[size > 1 - TOP]
            bins = np.minimum((FINE * (top - 1 + TOP) / TOP).astype(int), FINE - 1)
            np.add.at(self.counts, bins, 1)
            np.minimum.at(self.least, bins, top)
            self.below += int(((size >= 0.9) & (size < 0.99)).sum())
        return self

    @property
    def level(self) -> float | None:
        """The level in the recording's units; None where it was not clipped.

        The value most common near the peak, where most of the crowd stands at it; else the least
        value near the peak: a codec or a filter has moved them.
        """
        crowd, expected = self.counts.sum(), self.below * TOP / 0.09
        if crowd < max(FEWEST, CROWDED * expected):
            return None
        most = int(self.counts.argmax())
        alike = 2 * self.counts[most] >= crowd
        return self.peak * float(self.least[most] if alike else self.least.min())


def clip_level(signal: Tensor) -> float | None:
    """The level at which a whole recording was clipped; None where it was not."""
    return ClipMeter(signal.abs().max().item()).add(signal).level


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
