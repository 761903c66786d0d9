"""Speech and noise, mixed as recordings are: in rooms, at any level, through bad channels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from ..signals.level import speech_level
from . import augmenting
from .augmenting import RATE, Signal

ROOMS = 200  # simulated responses, each used many times
IN_A_ROOM = 0.55  # share of speech
NARROW = 0.1  # share of recordings through a narrow band
CLEAN, DRY_CLEAN = 0.04, 0.3  # share with next to no noise, and of those that lose their room
SNR_MEAN, SNR_SPREAD, SNR_LEAST, SNR_MOST = 5.0, 8.0, -8.0, 30.0  # decibels
LOUDEST = 1.0  # peak of a recording: clicks of more would be all that a step learns from
LEVEL_SPREAD = 2.0  # decibels, of the level at which a recording is shown


class Spoken(NamedTuple):
    """One talker's excerpt: as heard in its room, and without the room."""

    wet: Signal
    dry: Signal


class Mixed(NamedTuple):
    """A recording, and what a listener would have had of it."""

    noisy: Signal
    clean: Signal


@dataclass(frozen=True)
class Sources:
    """What is mixed: recordings at 16 kHz, and responses of rooms."""

    speech: Sequence[Signal]
    noise: Sequence[Signal]
    rooms: Sequence[Signal]

    def spoken(self, samples: int, rng: np.random.Generator) -> Spoken:
        """A talker at another speed, through another microphone, with pauses, maybe in a room."""
        speech = augmenting.respeeded(_one(self.speech, rng), samples, 0.1, rng)
        if rng.random() < 0.15:
            start, stop = sorted(rng.integers(0, samples, 2))
            speech[start:stop] = 0
        if rng.random() < 0.4:
            speech = augmenting.coloured(speech, 3.0, rng)
        if not self.rooms or rng.random() > IN_A_ROOM:
            return Spoken(speech, speech)
        return Spoken(*augmenting.in_a_room(speech, _one(self.rooms, rng)))

    def disturbance(self, samples: int, rng: np.random.Generator) -> Signal:
        """Noise of root mean square 1: recorded, coloured, a hum, other talkers; or two of them."""
        noise = self._one_noise(samples, rng)
        if rng.random() < 0.25:
            noise = noise + 10 ** (rng.uniform(-15, 5) / 20) * self._one_noise(samples, rng)
        if rng.random() < 0.5:
            noise = augmenting.coloured(noise, 4.0, rng)
        return _unit(noise)

    def _one_noise(self, samples: int, rng: np.random.Generator) -> Signal:
        kind = rng.random()
        if kind < 0.08:
            return augmenting.colour_noise(samples, rng.uniform(-0.5, 2.5), rng)
        if kind < 0.11:
            return _unit(augmenting.hum(samples, rng))
        if kind < 0.18:
            talkers = rng.integers(3, 8)
            voices = [self.spoken(samples, rng).wet for _ in range(talkers)]
            return _unit(np.sum([_unit(v) for v in voices], 0))
        return _unit(augmenting.respeeded(_one(self.noise, rng), samples, 0.35, rng))


def mixed(spoken: Spoken, noise: Signal, dry: bool, level: float, rng) -> Mixed:
    """Speech and noise at a random ratio, shown at `level`, the speech's root mean square."""
    loudness = level_of(spoken.wet)
    ratio = min(max(rng.normal(SNR_MEAN, SNR_SPREAD), SNR_LEAST), SNR_MOST)
    if rng.random() < (DRY_CLEAN if dry else CLEAN):
        ratio = rng.uniform(30, 70)
    noisy = spoken.wet + loudness * 10 ** (-ratio / 20) * noise
    clean = spoken.dry if dry else spoken.wet
    if rng.random() < NARROW:
        band = rng.uniform(50, 350), rng.uniform(2500, 7000)
        noisy, clean = (augmenting.band_limited(x, *band) for x in (noisy, clean))
    gain = level / level_of(noisy) * 10 ** (rng.normal(0, LEVEL_SPREAD) / 20)
    gain = min(gain, LOUDEST / max(float(np.abs(noisy).max()), 1e-6))
    return Mixed(np.float32(gain) * noisy, np.float32(gain) * clean)


def level_of(signal: Signal) -> float:
    """The level of speech as the recipes measure it; 1e-4 at least."""
    return max(speech_level(torch.from_numpy(signal)[None], RATE), 1e-4)


def _unit(signal: Signal) -> Signal:
    return signal / max(float(np.sqrt(np.square(signal).mean())), 1e-6)


def _one(choices: Sequence[Signal], rng: np.random.Generator) -> Signal:
    return choices[rng.integers(len(choices))]
