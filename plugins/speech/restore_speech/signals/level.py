"""How loud the speech in a recording is, whatever else is in it."""

import numpy as np
from torch import Tensor

LEVEL = 0.05  # root mean square of active speech as the models know it
FRAME = 0.032  # seconds over which power is averaged
LOUD = 0.95  # quantile of the frames' powers that no frame counts above: clicks
RANGE = 1e-3  # of that quantile: frames of less power hold no speech


class LevelMeter:
    """The level of speech of a recording that comes in pieces.

    The root mean square over frames of 32 ms whose power is within 30 dB of the 95 % quantile, each
    counted as no louder than that quantile: neither pauses nor clicks tell the level, and a gain of
    the recording is a gain of the level, exactly.
    """

    def __init__(self, rate: int):
        self.size = max(1, round(FRAME * rate))
        self.powers: list[np.ndarray] = []
        self.rest = np.zeros(0)

    def add(self, signal: Tensor) -> "LevelMeter":
        """Go on with the next (channels, samples) of the recording; gives itself."""
        power = signal.double().square().mean(0).numpy()
        power = np.concatenate([self.rest, power])
        whole = len(power) // self.size * self.size
        self.powers.append(power[:whole].reshape(-1, self.size).mean(1))
        self.rest = power[whole:]
        return self

    @property
    def level(self) -> float:
        """The level so far; 0 for digital silence."""
        powers = np.concatenate(self.powers)
        if not len(powers):
            powers = self.rest.mean(keepdims=True)
        powers = powers[powers > 0]
        if not len(powers):
            return 0.0
        top = np.quantile(powers, LOUD)
        active = powers[powers >= RANGE * top]
        return float(np.sqrt(np.minimum(active, top).mean()))


def speech_level(signal: Tensor, rate: int) -> float:
    """The level of speech of a whole recording, (channels, samples) at `rate`; 0 for silence."""
    return LevelMeter(rate).add(signal).level


def quietest(signal: Tensor, rate: int) -> float:
    """The root mean square of the quietest twentieth of the frames that hold anything: noise."""
    size = max(1, round(FRAME * rate))
    power = signal.double().square().mean(0)
    power = power[: len(power) // size * size].reshape(-1, size).mean(1)
    power = power[power > 0].sort().values
    return power[: max(1, len(power) // 20)].mean().sqrt().item() if len(power) else 0.0
