"""Figures of merit of speech, each named with its convention.

All take (estimate, reference), waveforms (channels, samples), and average over the channels. None,
not defined, for a reference of silence; ValueError for unequal sizes. `pesq` and `estoi` are those
of the packages `pesq` and `pystoi`, the extra `metrics`.
"""

import math
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
from torch import Tensor

from restore.errors import UnavailableError
from restore.measurement.checks import sizes

RATE = 16000  # Hz; of a waveform that comes without one
FRAME, HOP = 512, 128  # samples at 16 kHz, of the log-spectral distance
FLOOR = 1e-8  # of the reference's largest bin: -80 dB, below which spectra are not told apart


def si_sdr(estimate: Tensor, reference: Tensor) -> float | None:
    """|a s|^2 / |estimate - a s|^2 in dB, a = <estimate, s> / |s|^2 (Le Roux et al., 2019).

    Higher is better; infinite for a multiple of the reference. Means are not taken away.
    """
    return _mean(lambda x, s: _decibels(*_split(x, s)), estimate, reference)


def si_sir(estimate: Tensor, reference: Tensor, noise: Tensor) -> float | None:
    """What is left of the speech over what is left of the noise, in dB; higher is better.

    noise: what was added to the reference, of its shape. The projections of the estimate on each
    of the two are compared (as in Richter et al., IEEE TASLP 2023).
    """
    _alike(noise, reference)
    pairs = zip(_channels(estimate, reference), noise.detach().cpu().double().numpy())
    return _averaged(
        _decibels(_projected(x, s), _projected(x, n)) if n.any() else None for (x, s), n in pairs
    )


def si_sar(estimate: Tensor, reference: Tensor, noise: Tensor) -> float | None:
    """What is left of the speech over what is neither speech nor noise, in dB; higher is better.

    noise: as of `si_sir`.
    """
    _alike(noise, reference)
    pairs = zip(_channels(estimate, reference), noise.detach().cpu().double().numpy())
    return _averaged(
        _decibels(speech := _projected(x, s), x - speech - _projected(x, n)) for (x, s), n in pairs
    )


def pesq(estimate: Tensor, reference: Tensor, *, rate: int = RATE) -> float | None:
    """PESQ, wide band, MOS-LQO of ITU-T P.862.2: 1.04 (bad) to 4.64.

    rate: in Hz; both are resampled to 16 kHz. UnavailableError where the package is missing; None
    where it hears no speech, or less than a quarter of a second.
    """
    package = _package("pesq")

    def one(x: np.ndarray, s: np.ndarray) -> float | None:
        try:
            return float(package.pesq(16000, *_at_16k(s, x, rate), "wb"))
        except (package.NoUtterancesError, package.BufferTooShortError):
            return None

    return _mean(one, estimate, reference)


def estoi(estimate: Tensor, reference: Tensor, *, rate: int = RATE) -> float | None:
    """Extended short-time objective intelligibility (Jensen & Taal, IEEE TASLP 2016), at most 1.

    rate: in Hz. UnavailableError where the package `pystoi` is missing; None for a reference too
    short, less than 0.4 s of speech.
    """
    package = _package("pystoi")

    def one(x: np.ndarray, s: np.ndarray) -> float | None:
        import warnings

        with warnings.catch_warnings(record=True) as caught:  # it says so, and gives 1e-5
            warnings.simplefilter("always")
            value = float(package.stoi(s, x, rate, extended=True))
        return None if any(issubclass(w.category, RuntimeWarning) for w in caught) else value

    return _mean(one, estimate, reference)


def lsd(estimate: Tensor, reference: Tensor) -> float | None:
    """Log-spectral distance in dB, lower is better: per frame the rms over frequency, averaged.

    Frames of 512 samples, a quarter apart, Hann; powers below -80 dB of the reference's largest
    bin count as that (as in Gray & Markel, IEEE TASSP 1976).
    """
    return _mean(_log_spectral, estimate, reference)


def _log_spectral(x: np.ndarray, s: np.ndarray) -> float | None:
    if len(s) < FRAME:
        return None
    window = np.hanning(FRAME + 1)[:-1]
    views = (np.lib.stride_tricks.sliding_window_view(v, FRAME)[::HOP] for v in (x, s))
    powers = [np.abs(np.fft.rfft(view * window)) ** 2 for view in views]
    least = FLOOR * powers[1].max()
    logs = [10 * np.log10(np.maximum(power, least)) for power in powers]
    return float(np.sqrt(np.mean((logs[0] - logs[1]) ** 2, axis=1)).mean())


def _split(x: np.ndarray, s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    target = _projected(x, s)
    return target, x - target


def _projected(x: np.ndarray, s: np.ndarray) -> np.ndarray:
    return np.dot(x, s) / np.dot(s, s) * s


def _decibels(signal: np.ndarray, rest: np.ndarray) -> float:
    above, below = np.sum(signal**2), np.sum(rest**2)
    if above == 0:
        return -math.inf
    return math.inf if below == 0 else float(10 * np.log10(above / below))


def _mean(
    one: Callable[[np.ndarray, np.ndarray], float | None], estimate: Tensor, reference: Tensor
) -> float | None:
    return _averaged(one(x, s) for x, s in _channels(estimate, reference))


def _averaged(values) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _channels(estimate: Tensor, reference: Tensor) -> list[tuple[np.ndarray, np.ndarray]]:
    """Pairs of waveforms, without those whose reference is silence."""
    _alike(estimate, reference)
    both = (v.detach().cpu().double().numpy() for v in (estimate, reference))
    return [(x, s) for x, s in zip(*both) if s.any()]


def _alike(estimate: Tensor, reference: Tensor) -> None:
    if estimate.shape != reference.shape:
        raise ValueError(
            f"the estimate is {sizes(estimate.shape)}, the reference {sizes(reference.shape)}: "
            "compare like sizes"
        )
    if estimate.ndim != 2:
        raise ValueError(f"waveforms are (channels, samples), these are {sizes(estimate.shape)}")


def _at_16k(s: np.ndarray, x: np.ndarray, rate: int) -> tuple[np.ndarray, np.ndarray]:
    if rate == 16000:
        return s, x
    import soxr

    return soxr.resample(s, rate, 16000), soxr.resample(x, rate, 16000)


def _package(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        raise UnavailableError(
            f"{name} is not installed: pip install 'restore-speech[metrics]'"
        ) from None
