"""Recordings for the report: spectrograms, what changed, where samples disagree, and players."""

import io
from collections.abc import Callable, Mapping, Sequence

import soundfile
import torch
from torch import Tensor

from restore.files.report.display import heat
from restore.files.task import Comparison, Record, Sound

WINDOW = 0.032  # seconds of a spectrum
SHOWN = 80.0  # dB below the loudest that a spectrogram shows
LEAST = 1e-12  # power that stands for none
HEIGHT, WIDTH = 240, 900  # pixels of a spectrogram, at most
LISTENED = 30.0  # seconds that a player plays
CHANNELS = 2  # and channels


def comparison(record: Record, baselines: Mapping[str, Callable[[], Tensor]]) -> Comparison:
    """What the report of a restored recording shows beside it."""
    top = spectrum(record).max().item()

    def views(shown: Record) -> dict[str, Tensor]:
        return {"spectrogram": spectrogram(shown, top)}

    def further(records: Mapping[str, Record], samples: Sequence[Record]) -> dict[str, Tensor]:
        found = {"difference": difference(records["input"], records["restored"], top)}
        if len(samples) > 1:
            found["std"] = spread(samples, top)
        return found

    return Comparison(baselines=baselines, views=views, further=further, sound=sound)


def spectrum(record: Record) -> Tensor:
    """The power of each frequency and moment in dB, all channels together; (bins, frames)."""
    size = max(16, round(WINDOW * record.meta["rate"]))
    samples = record.signal.shape[1]
    hop = max(1, min(size // 4, samples // WIDTH), samples // (4 * WIDTH))
    padded = torch.nn.functional.pad(record.signal, (size // 2, size))
    window = torch.hann_window(size)
    spectra = torch.stft(padded, size, hop, window=window, center=False, return_complex=True)
    power = spectra.abs().square().mean(0) / window.square().sum()
    return 10 * (power + LEAST).log10()


def spectrogram(record: Record, top: float) -> Tensor:
    """A picture in colour, low frequencies below; (3, y, x). top: dB of the brightest."""
    scaled = ((spectrum(record) - top) / SHOWN + 1).clamp(0, 1)
    picture = _fitted(scaled)
    return torch.from_numpy(heat(picture, 1.0)[0]).permute(2, 0, 1) / 255


def difference(before: Record, after: Record, top: float) -> Tensor:
    """By how many dB each frequency and moment was changed, above the range's floor; (1, y, x)."""
    floor = top - SHOWN
    change = spectrum(after).clamp(min=floor) - spectrum(before).clamp(min=floor)
    return _fitted(change)


def spread(samples: Sequence[Record], top: float) -> Tensor:
    """The standard deviation over samples of the level in dB: where they disagree; (1, y, x)."""
    floor = top - SHOWN
    levels = torch.stack([spectrum(sample).clamp(min=floor) for sample in samples])
    return _fitted(levels.std(0))


def _fitted(levels: Tensor) -> Tensor:
    """(bins, frames) as a picture of averages, low frequencies below; (1, y, x)."""
    size = (min(HEIGHT, levels.shape[0]), min(WIDTH, levels.shape[1]))
    return torch.nn.functional.interpolate(levels.flip(0)[None, None], size=size, mode="area")[0]


def sound(record: Record) -> Sound:
    """The first half minute, two channels at most, in 16 bits without loss."""
    rate = record.meta["rate"]
    part = record.signal[:CHANNELS, : round(LISTENED * rate)]
    file = io.BytesIO()
    soundfile.write(file, part.clamp(-1, 1).T.numpy(), rate, "PCM_16", format="FLAC")
    words = "" if part.shape == record.signal.shape else f"the first {part.shape[1] / rate:.0f} s"
    return Sound(file.getvalue(), "audio/flac", words)
