"""What is done to speech that no training saw: noise, gaps, clipping, a narrow band, a room.

All is drawn from seeds: the same utterance, place and noise for every method. Speakers are those
of clean_validation; noise is fold 5 of ESC-10 where it is there, else the sources of fold 4 that
training was told to hold out, two of each kind.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr

DATA = Path(__file__).parents[2] / "shared" / "data" / "speech"
RATE = 16000  # Hz
GAPS, GAP = 5, 0.04  # count; s
CLIPPED = 7.0  # dB of SDR
CUTOFF = 4000.0  # Hz
ROOM, T60, BELOW = (6.0, 4.0, 3.0), 0.5, 34.0  # m; s; dB of the noise below the reverberant speech


# of ESC-10's fold 4, two of each kind, as --hold-out of the training command has them
HELD_OUT = (
    "4-160999", "4-177250", "4-182613", "4-204618", "4-175945", "4-191327", "4-125929", "4-193480",
    "4-149294", "4-169127", "4-164661", "4-181563",
)  # fmt: skip


@dataclass(frozen=True)
class Problem:
    """A degraded recording, what it was, and what is known of the degradation."""

    name: str
    y: np.ndarray  # (samples,), or longer by the tail of a room
    clean: np.ndarray  # (samples,)
    known: Mapping[str, Any] = field(
        default_factory=dict
    )  # kept, level, cutoff, response, std, ...


def utterances(count: int, seconds: float) -> Iterator[tuple[str, np.ndarray]]:
    """Speakers in turn: name, waveform from half a second on; those too short are passed over."""
    size, found = round(seconds * RATE), 0
    folders = sorted(path for path in (DATA / "clean_validation").iterdir() if path.is_dir())
    for files in zip(*(sorted(folder.glob("*.flac")) for folder in folders)):
        for path in files:
            wave = _read(path)[RATE // 2 :][:size]
            if len(wave) == size and found < count:
                found += 1
                yield path.stem, wave


def noises() -> list[np.ndarray]:
    """Recordings of noise that training did not see, kinds in turn."""
    clips = sorted((DATA / "noise" / "esc10").glob("*/*.ogg"))
    paths = [path for path in clips if path.stem.startswith("5-")]
    if not paths:
        first = {path.stem.rpartition("-")[0]: path for path in reversed(clips)}
        turns = (*HELD_OUT[::2], *HELD_OUT[1::2])
        paths = [first[source] for source in turns if source in first]
    return [_read(path) for path in paths]


def noisy(name: str, clean: np.ndarray, snr: float, seed: int, bank: list[np.ndarray]) -> Problem:
    """y = clean + gain noise, at this ratio in dB over the whole utterance; known: gain, noise."""
    rng = np.random.default_rng(seed)
    noise = bank[seed % len(bank)]
    noise = np.tile(noise, -(-len(clean) // len(noise)) + 1)
    start = rng.integers(len(noise) - len(clean) + 1)
    noise = noise[start : start + len(clean)]
    gain = np.sqrt(np.sum(clean**2) / np.sum(noise**2)) * 10 ** (-snr / 20)
    return Problem(name, clean + gain * noise, clean, {"gain": gain, "noise": gain * noise})


def gapped(name: str, clean: np.ndarray, seed: int) -> Problem:
    """5 gaps of 40 ms, one somewhere in each fifth; known: kept."""
    rng, width, part = np.random.default_rng(seed), round(GAP * RATE), len(clean) // GAPS
    kept = np.ones(len(clean), dtype=bool)
    for i in range(GAPS):
        start = i * part + rng.integers(width // 2, part - width - width // 2)
        kept[start : start + width] = False
    return Problem(name, clean * kept, clean, {"kept": kept})


def clipped(name: str, clean: np.ndarray) -> Problem:
    """Cut off at the level that leaves an SDR of 7 dB; known: level."""
    low, high = 0.0, float(np.abs(clean).max())
    for _ in range(50):  # halvings: to the last digit of a double
        level = (low + high) / 2
        error = np.sum((clean.clip(-level, level) - clean) ** 2)
        few = 10 * np.log10(np.sum(clean**2) / error) < CLIPPED if error else False
        low, high = (level, high) if few else (low, level)
    return Problem(name, clean.clip(-high, high), clean, {"level": high})


def narrow(name: str, clean: np.ndarray) -> Problem:
    """Nothing above 4 kHz; known: cutoff."""
    spectrum = np.fft.rfft(clean)
    spectrum[np.fft.rfftfreq(len(clean), 1 / RATE) > CUTOFF] = 0
    return Problem(name, np.fft.irfft(spectrum, n=len(clean)), clean, {"cutoff": CUTOFF})


def reverberant(name: str, clean: np.ndarray, seed: int) -> Problem:
    """A room by image sources, its direct path first and 1, tail kept; known: response, std.

    By pyroomacoustics; white noise lies 34 dB below. The clean speech is what to give back.
    """
    import pyroomacoustics

    rng = np.random.default_rng(seed)
    absorption, order = pyroomacoustics.inverse_sabine(T60, ROOM)
    room = pyroomacoustics.ShoeBox(
        ROOM, fs=RATE, materials=pyroomacoustics.Material(absorption), max_order=min(order, 20)
    )
    room.add_source(rng.uniform(1, np.array(ROOM) - 1))
    room.add_microphone(rng.uniform(1, np.array(ROOM) - 1))
    room.compute_rir()
    response = room.rir[0][0]
    first = int(np.flatnonzero(np.abs(response) > 0.5 * np.abs(response).max())[0])
    first += int(np.abs(response[first : first + 8]).argmax())  # the direct path's top
    response = response[first : first + round(1.2 * T60 * RATE)]
    response = response / response[0]
    y = np.convolve(clean, response)
    std = np.std(y) * 10 ** (-BELOW / 20)
    y = y + std * rng.standard_normal(len(y))
    return Problem(name, y, clean, {"response": response, "std": std})


def _read(path: Path) -> np.ndarray:
    wave, rate = soundfile.read(path, always_2d=True)
    mono = wave.mean(1)
    return mono if rate == RATE else soxr.resample(mono, rate, RATE)
