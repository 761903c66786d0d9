"""Between a recording and the models: their rate, their level, and what lies above their band."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from .level import LEVEL, speech_level
from .rates import RATE, in_model_band, resampled
from .silence import awake

HighBand = Literal["keep", "match", "drop"]
Stereo = Literal["shared", "mid", "independent"]
WINDOW, HOP = 512, 128  # at RATE, of the spectra that the gain of the high band is read from
OCTAVE = slice(128, 240)  # their bins from 4 to 7.5 kHz, the uppermost that the models hear
NOTHING = 1e-9  # power in a bin of a signal at LEVEL that stands for no sound


@dataclass(frozen=True)
class Whole:
    """What is known of the whole recording, where a record holds a piece of it."""

    constant: Tensor  # (channels, 1)
    levels: Tensor  # (channels, 1), of speech
    start: int = 0  # the piece's first sample


@dataclass(frozen=True)
class Changes:
    """How much of what a model does reaches the recording."""

    strength: float = 1.0  # 0: the recording as it was
    max_attenuation: float | None = None  # dB by which what is taken away is lowered; None: all
    high_band: HighBand = "match"  # above the models' band
    stereo: Stereo = "shared"

    def __post_init__(self):
        if not 0 <= self.strength <= 1:
            raise ValueError(f"strength lies between 0 and 1, got {self.strength:g}")
        if self.max_attenuation is not None and not self.max_attenuation >= 0:
            raise ValueError(f"max-attenuation is in dB, 0 or more, got {self.max_attenuation:g}")

    @property
    def kept(self) -> float:
        """The share of what was taken away that is put back."""
        least = 0.0 if self.max_attenuation is None else 10 ** (-self.max_attenuation / 20)
        return max(1 - self.strength, least)


@dataclass(frozen=True)
class ModelBand:
    """A recording as the models take it, and the way back to its own rate, level and band."""

    signal: Tensor  # (channels, samples), as the file has it
    rate: int
    changes: Changes = Changes()
    whole: Whole | None = None  # None: the signal is all there is

    @cached_property
    def low(self) -> Tensor:
        """What the models are given: (channels, samples) at 16 kHz, at their level.

        One channel for stereo "mid". Digital silence stays itself.
        """
        return self._factors * resampled(self._centred, self.rate, RATE)

    def back(self, restored: Tensor) -> Tensor:
        """The recording with `low` restored: (channels, samples) -> as the file has it.

        Constant, digital silence, rate and number of samples are the recording's; the band above
        8 kHz is kept, dropped or brought down as much as the octave below it was.
        """
        samples = self.signal.shape[1]
        low = resampled(restored / self._factors, RATE, self.rate, samples)
        changed = low + self._high(restored) + self._constant
        share = (1 - self.changes.kept) * awake(self.signal, self.rate)
        return self.signal + share * (changed - self.signal)

    @property
    def _constant(self) -> Tensor:
        return constant_of(self.signal) if self.whole is None else self.whole.constant

    @property
    def _centred(self) -> Tensor:
        centred = self.signal - self._constant
        return centred.mean(0, keepdim=True) if self.changes.stereo == "mid" else centred

    @property
    def level(self) -> float:
        """The level of speech over all channels, full scale 1; 0 for digital silence."""
        return self._levels.square().mean().sqrt().item()

    @property
    def factor(self) -> float:
        """What brings the recording to the models' level."""
        return self._factors.mean().item()

    @cached_property
    def _levels(self) -> Tensor:
        """(channels, 1)."""
        if self.whole is not None:
            return self.whole.levels
        return levels_of(self.signal - self._constant, self.rate)

    @cached_property
    def _factors(self) -> Tensor:
        """(channels or 1, 1): what brings the recording to the models' level; 1 for silence."""
        levels = self._levels
        if self.changes.stereo != "independent":
            levels = levels.square().mean(0, keepdim=True).sqrt()
        return torch.where(levels > 0, LEVEL / levels, 1.0)

    def _high(self, restored: Tensor) -> Tensor | float:
        if self.rate <= RATE or self.changes.high_band == "drop":
            return 0.0
        high = self._centred - in_model_band(self._centred, self.rate)
        if self.changes.high_band == "keep":
            return high
        gains = _gains(self.low, restored)
        moments = np.arange(high.shape[1]) * (RATE / self.rate / HOP)
        places = np.arange(gains.shape[1])
        each = [np.interp(moments, places, gain) for gain in gains.numpy()]
        return high * torch.from_numpy(np.stack(each)).float()


def constant_of(signal: Tensor) -> Tensor:
    """The mean of each channel, (channels, 1); that of a silent one as it stands there."""
    return signal.double().mean(1, keepdim=True).float()


def levels_of(signal: Tensor, rate: int) -> Tensor:
    """The level of speech of each channel; (channels, samples) -> (channels, 1)."""
    return torch.tensor([[speech_level(channel[None], rate)] for channel in signal])


def _gains(before: Tensor, after: Tensor) -> Tensor:
    """The gain that the uppermost octave got, at most 1; (channels, hops)."""
    powers = [_octave(signal) + NOTHING for signal in (before, after)]
    return (powers[1] / powers[0]).sqrt().clamp(max=1)


def _octave(signal: Tensor) -> Tensor:
    """The power between 4 and 7.5 kHz around each hop, over five hops; (channels, hops)."""
    window = torch.hann_window(WINDOW)
    padded = torch.nn.functional.pad(signal, (WINDOW // 2, WINDOW // 2))
    spectra = torch.stft(padded, WINDOW, HOP, window=window, center=False, return_complex=True)
    power = spectra[:, OCTAVE].abs().square().mean(1) / window.square().sum()
    return torch.nn.functional.avg_pool1d(power, 5, 1, 2, count_include_pad=False)
