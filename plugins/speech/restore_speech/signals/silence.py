"""Digital silence: runs of one and the same value, which no microphone makes."""

import numpy as np
import torch
from torch import Tensor

STILL = 0.02  # seconds of one value that count as digital silence
RAMP = 0.005  # seconds over which what is changed begins beside it


def runs(same: np.ndarray) -> np.ndarray:
    """(run, 2): first and one past the last index of each run of true values."""
    edges = np.diff(np.concatenate([[0], same.astype(np.int8), [0]]))
    return np.stack([np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)], 1)


def still(channel: np.ndarray, least: int) -> np.ndarray:
    """(run, 2): first and one past the last of at least `least` samples of one value."""
    found = runs(np.diff(channel) == 0)
    found[:, 1] += 1  # a run of k equal pairs is one of k + 1 samples
    return found[found[:, 1] - found[:, 0] >= least]


def awake(signal: Tensor, rate: int) -> Tensor:
    """How far a recording may be changed: 0 in digital silence, 1 away from it.

    (channels, samples) -> the same. Between both lies a ramp of 5 ms, outside the silence.
    """
    least, ramp = max(2, round(STILL * rate)), max(1, round(RAMP * rate))
    weights = torch.ones_like(signal)
    for weight, channel in zip(weights.numpy(), signal.numpy()):
        for first, last in still(channel, least):
            weight[first:last] = 0
            before = weight[max(0, first - ramp) : first]
            before[:] = np.minimum(before, np.arange(len(before), 0, -1) / ramp)
            after = weight[last : last + ramp]
            after[:] = np.minimum(after, np.arange(1, len(after) + 1) / ramp)
    return weights
