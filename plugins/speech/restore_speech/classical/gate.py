"""Spectral gating: what is not well above a band's steady noise is turned down."""

import numpy as np
from scipy.ndimage import uniform_filter

from .frames import Waveform, on_waveforms, spectra, waveform

FRAME, OVERLAP = 0.064, 4  # s; frames a frame length
# the mean power of Gaussian noise is -1 / log(1 - q) times its q-quantile, in each bin
QUANTILE = 0.1


@on_waveforms
def spectral_gate(
    signal: Waveform, rate: int, *, above: float = 8.0, reduction: float = 20.0
) -> Waveform:
    """The signal with quiet bins turned down; (samples,) -> (samples,).

    The noise of a band is told by the quietest tenth of its frames, so it has to be steady. A bin
    is open where its power lies `above` dB over that; closed ones lose `reduction` dB, and the
    mask is smoothed over 3 bins and 5 frames. rate: in Hz. As audio editors do it.
    """
    hop = max(round(FRAME * rate / OVERLAP), 1)
    size = OVERLAP * hop
    spectrum = spectra(signal, size, hop)
    power = np.abs(spectrum) ** 2
    heard = power[power.sum(1) > 1e-12 * power.sum(1).max()]  # digital silence is no noise
    noise = np.quantile(heard, QUANTILE, axis=0) / -np.log1p(-QUANTILE)
    opened = (power > 10 ** (above / 10) * noise).astype(float)
    smooth = uniform_filter(opened, (5, 3), mode="nearest")
    closed = 10 ** (-reduction / 20)
    gains = closed + (1 - closed) * np.clip(2 * smooth, 0, 1)
    return waveform(gains * spectrum, size, hop, len(signal))
