"""Declipping by analysis sparsity: A-SPADE (Kitic et al., LVA/ICA 2015).

In the form of Zaviska, Rajmic, Mokry & Prusa, "A proper version of synthesis-based sparse audio
declipper", ICASSP 2019, which restates it as algorithm 1.
"""

import numpy as np
from scipy.fft import irfft, rfft

from .frames import Waveform, on_waveforms, overlapped, root_hann, windowed

SIZE, HOP, REDUNDANCY = 1024, 256, 2  # at 16 kHz: 64 ms, 75 % overlap
STEP = 8  # more coefficients at each iteration
BLOCK = 512  # frames at a time, for memory's sake
CLOSE = 0.02  # of the frame's norm: how far sparse and consistent may be apart at the end


@on_waveforms
def declip_aspade(signal: Waveform, level: float, *, step: int = STEP) -> Waveform:
    """The nearest sparse signal that clips to this one; (samples,) -> (samples,).

    level: samples at or beyond +-level were clipped, in the signal's units. step: s, by which
    the number of coefficients grows at each iteration; smaller ones are slower, hardly better.
    Samples inside +-level stay as they are. ValueError unless level is positive.
    """
    if not level > 0:
        raise ValueError(f"a clipping level must be positive, got {level}")
    clipped = np.abs(signal) >= level * (1 - 1e-6)  # of float32's rounding
    if not clipped.any():
        return signal
    window = root_hann(SIZE, HOP)
    y = windowed(signal, window, HOP)
    where = windowed(clipped.astype(float), np.ones(SIZE), HOP) > 0
    low = np.where(where & (y < 0), -np.inf, y)
    high = np.where(where & (y > 0), np.inf, y)
    todo = np.flatnonzero(where.any(1))
    for block in np.array_split(todo, -(-len(todo) // BLOCK)):
        # 24 bits do for an estimate, in half the time
        y[block] = _aspade(*(part[block].astype(np.float32) for part in (y, low, high)), step)
    return np.where(clipped, overlapped(y, window, HOP, len(signal)), signal)


def _aspade(y: np.ndarray, low: np.ndarray, high: np.ndarray, step: int) -> np.ndarray:
    """Algorithm 1 on all frames at once; (frames, size) -> (frames, size).

    low, high: what a consistent frame lies between, perhaps infinite.
    """
    found, active = y.copy(), np.arange(len(y))
    goal = CLOSE * np.linalg.norm(y, axis=1)
    spectrum = _analysis(y)
    u = np.zeros_like(spectrum)
    for k in range(step, spectrum.shape[1], step):
        z = _largest(spectrum + u, k)
        x = np.clip(_synthesis(z - u), low[active], high[active])
        spectrum = _analysis(x)
        found[active] = x
        going = _norm(spectrum - z) > goal[active]
        u = (u + spectrum - z)[going]
        spectrum, active = spectrum[going], active[going]
        if not len(active):
            break
    return found


def _analysis(x: np.ndarray) -> np.ndarray:
    """A tight frame, A^H A = I: a DFT of the frame and zeros behind it."""
    return rfft(x, n=REDUNDANCY * SIZE, norm="ortho")


def _synthesis(z: np.ndarray) -> np.ndarray:
    return irfft(z, n=REDUNDANCY * SIZE, norm="ortho")[:, :SIZE]


def _largest(z: np.ndarray, k: int) -> np.ndarray:
    """H_k: the k largest pairs of conjugate coefficients of each frame, the others zero."""
    power = z.real**2 + z.imag**2
    least = np.partition(power, -k, axis=1)[:, [-k]]
    return np.where(power >= least, z, 0)


def _norm(z: np.ndarray) -> np.ndarray:
    """The norm of each whole spectrum, from its half that is kept; (frames, bins) -> (frames,)."""
    power = z.real**2 + z.imag**2
    return np.sqrt(2 * power.sum(1) - power[:, 0] - power[:, -1])
