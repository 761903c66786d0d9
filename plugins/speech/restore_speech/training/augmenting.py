"""What happens to a recording on its way: other speeds, rooms, microphones, pauses; (samples,)."""

import numpy as np
from numpy.typing import NDArray
from scipy.fft import next_fast_len
from scipy.signal import fftconvolve, resample

Signal = NDArray[np.float32]
RATE = 16_000
EARLY = 0.008  # seconds after the direct sound that belong to the dry speech


def excerpt(source: Signal, samples: int, rng: np.random.Generator) -> Signal:
    """A random piece of so many samples; a shorter source is repeated."""
    if len(source) < samples:
        source = np.tile(source, -(-samples // len(source)))
    start = rng.integers(len(source) - samples + 1)
    return source[start : start + samples]


def respeeded(source: Signal, samples: int, spread: float, rng: np.random.Generator) -> Signal:
    """A random piece, played faster or slower by up to the factor 1 + spread, pitch and all."""
    factor = (1 + spread) ** rng.uniform(-1, 1)
    piece = excerpt(source, next_fast_len(round(samples * factor)), rng)
    return resample(piece, samples).astype(np.float32)


def coloured(signal: Signal, decibels: float, rng: np.random.Generator) -> Signal:
    """The signal through a smooth random gain over frequency, of this standard deviation."""
    spectrum = np.fft.rfft(signal)
    knots = rng.normal(0, decibels, 7)
    gains = np.interp(np.linspace(0, 1, len(spectrum)), np.linspace(0, 1, 7), knots)
    return np.fft.irfft(spectrum * 10 ** (gains / 20), len(signal)).astype(np.float32)


def band_limited(signal: Signal, low: float, high: float) -> Signal:
    """Only the frequencies from low to high hertz, with soft edges a tenth as wide."""
    frequencies = np.fft.rfftfreq(len(signal), 1 / RATE)
    rise = np.clip((frequencies - 0.9 * low) / (0.1 * low + 1e-9), 0, 1)
    fall = np.clip((1.1 * high - frequencies) / (0.1 * high), 0, 1)
    return np.fft.irfft(np.fft.rfft(signal) * rise * fall, len(signal)).astype(np.float32)


def colour_noise(samples: int, slope: float, rng: np.random.Generator) -> Signal:
    """Gaussian noise whose power falls as frequency to the power of slope; 0 is white, 2 brown."""
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    frequencies = np.maximum(np.fft.rfftfreq(samples, 1 / RATE), 30.0)
    noise = np.fft.irfft(spectrum * frequencies ** (-slope / 2), samples)
    return (noise / noise.std()).astype(np.float32)


def hum(samples: int, rng: np.random.Generator) -> Signal:
    """A buzz of harmonics, as of mains, fans and motors."""
    time = np.arange(samples) / RATE
    base = rng.uniform(45, 400)
    parts = [
        np.sin(2 * np.pi * (base * k * time + rng.random())) * rng.exponential() / k
        for k in range(1, int(rng.integers(2, 12)))
    ]
    return np.sum(parts, 0).astype(np.float32)


def in_a_room(speech: Signal, response: Signal) -> tuple[Signal, Signal]:
    """(as heard in the room, as heard without its reverberation): aligned at the direct sound."""
    direct = int(np.argmax(np.abs(response)))
    early = response[: direct + int(EARLY * RATE)]
    wet = fftconvolve(speech, response)[direct : direct + len(speech)]
    dry = fftconvolve(speech, early)[direct : direct + len(speech)]
    return wet.astype(np.float32), dry.astype(np.float32)


def random_room(rng: np.random.Generator) -> Signal:
    """A room's response: a shoebox by the image-source method (pyroomacoustics), T60 0.1 to 1 s."""
    import pyroomacoustics

    while True:
        size = rng.uniform([3, 3, 2.3], [10, 10, 4])
        try:
            absorption, order = pyroomacoustics.inverse_sabine(rng.uniform(0.1, 1.0), size)
        except ValueError:  # so dead a room cannot be had at this size
            continue
        room = pyroomacoustics.ShoeBox(
            size,
            fs=RATE,
            materials=pyroomacoustics.Material(absorption),
            max_order=min(order, 17),
        )
        room.add_source(rng.uniform(0.5, size - 0.5))
        room.add_microphone(rng.uniform(0.5, size - 0.5))
        room.compute_rir()
        response = np.asarray(room.rir[0][0][: 2 * RATE], np.float32)
        return response / np.abs(response).max()
