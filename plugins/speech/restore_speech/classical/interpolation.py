"""Gaps filled by an autoregressive model: Janssen, Veldhuis & Vries, IEEE TASSP 34(2), 1986."""

import numpy as np
import torch
from scipy.linalg import solve_toeplitz, solveh_banded

from .frames import Waveform, on_waveforms

CONTEXT = 0.064  # s on each side of a gap, over which speech keeps its spectrum
RIDGE = 1e-9  # of the signal's power: keeps the model of a pure tone solvable


def interpolate_ar(
    signal: Waveform, kept: Waveform, *, rate: int = 16000, order: int = 48, rounds: int = 10
) -> Waveform:
    """The signal with its lost samples estimated; (samples,) -> (samples,).

    kept: bool, (samples,); what lies in the signal where it is False is not looked at. order: of
    the model. rounds: of estimating the model from the samples, and the samples from the model.
    Kept samples stay as they are. Gaps up to some 50 ms are bridged; longer ones fade out.
    ValueError where kept has another shape.
    """
    kept = np.asarray(kept.cpu() if isinstance(kept, torch.Tensor) else kept, dtype=bool)
    return _interpolated(signal, kept, round(CONTEXT * rate), order, rounds)


@on_waveforms
def _interpolated(
    signal: np.ndarray, kept: np.ndarray, context: int, order: int, rounds: int
) -> np.ndarray:
    if kept.shape != signal.shape:
        raise ValueError(f"kept is {kept.shape}, the waveform {signal.shape}")
    x = np.where(kept, signal, 0.0)
    for _ in range(rounds):
        for first, last in _clusters(kept, order, 2 * context):
            start, stop = max(first - context, 0), min(last + context, len(x))
            lost = np.flatnonzero(~kept[first:last]) + first - start
            _refine(x[start:stop], lost, order)
    return x


def _refine(x: np.ndarray, lost: np.ndarray, order: int) -> None:
    """One round on a stretch, in place: x[lost] = argmin |prediction error|^2, equation 12."""
    correlation = np.correlate(x, x, "full")[len(x) - 1 : len(x) + order]
    if correlation[0] == 0 or len(x) <= order:
        return
    correlation[0] *= 1 + RIDGE
    error = np.concatenate([[1.0], -solve_toeplitz(correlation[:-1], correlation[1:])])
    b = np.correlate(error, error, "full")  # (2 order + 1,), symmetric
    x[lost] = 0
    right = -np.convolve(x, b, "same")[lost]
    bands = np.zeros((order + 1, len(lost)))
    for lag in range(min(order + 1, len(lost))):  # lost samples are at least `lag` apart
        distance = lost[lag:] - lost[: len(lost) - lag]
        near = distance <= order
        bands[order - lag, lag:] = np.where(near, b[order + np.where(near, distance, 0)], 0)
    x[lost] = solveh_banded(bands, right)


def _clusters(kept: np.ndarray, order: int, longest: int) -> list[tuple[int, int]]:
    """Stretches [first, last) of lost samples less than `order` apart, none much too long."""
    lost = np.flatnonzero(~kept)
    found: list[tuple[int, int]] = []
    for i in lost:
        if found and i - found[-1][1] < order and i - found[-1][0] < longest:
            found[-1] = (found[-1][0], int(i) + 1)
        else:
            found.append((int(i), int(i) + 1))
    return found
