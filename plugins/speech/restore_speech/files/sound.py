"""Recordings on disk, read and written: WAV, W64, RF64, FLAC, OGG, MP3, AIFF, CAF by libsndfile.

A Record of kind "speech" holds (channels, samples), full scale 1; its meta: rate in Hz, container
and subtype by libsndfile's names ("WAV", "PCM_16"), tags, and the chunks that will not be copied.
"""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch

from restore.atomic import atomic_path
from restore.errors import RestoreWarning
from restore.files.naming import naming
from restore.files.task import Record

from .headers import dropped_chunks, refuse_a_lying_header
from .quantising import Quantiser

CONTAINERS = {
    ".wav": "WAV",
    ".wave": "WAV",
    ".w64": "W64",
    ".rf64": "RF64",
    ".flac": "FLAC",
    ".ogg": "OGG",
    ".oga": "OGG",
    ".opus": "OGG",
    ".mp3": "MP3",
    ".aiff": "AIFF",
    ".aif": "AIFF",
    ".caf": "CAF",
}
SHORTEST = 0.02  # seconds that a recording must last: a frame of any method that is used on it
BLOCK = 1 << 16  # frames that are written at a time; libvorbis overflows its stack on many more


def read_sound(path: str | Path) -> Record:
    """A recording as (channels, samples) of float32.

    ValueError, in one line that names the file, for what is empty, shorter than 20 ms, cut off, or
    of a codec that libsndfile does not know.
    """
    path = Path(path)
    with opened(path) as file:
        values = file.read(dtype="float32", always_2d=True)
        if len(values) < file.frames:
            raise ValueError(
                f"the header promises {file.frames} samples, the file holds {len(values)}"
            )
        signal = torch.from_numpy(np.ascontiguousarray(values.T))
        return Record(signal, "speech", path, meta_of(file, path))


@contextmanager
def opened(path: Path) -> Iterator[soundfile.SoundFile]:
    """The file, checked: its header is true, and it is long enough to be a recording."""
    with naming(path):
        if path.stat().st_size == 0:
            raise ValueError("the file is empty")
        with _understood(path) as file:
            refuse_a_lying_header(file)
            if file.frames < SHORTEST * file.samplerate:
                held = f"{file.frames} sample{'' if file.frames == 1 else 's'}"
                raise ValueError(f"it holds {held} at {file.samplerate} Hz; 20 ms are the least")
            yield file


def _understood(path: Path) -> soundfile.SoundFile:
    try:
        return soundfile.SoundFile(path)
    except soundfile.LibsndfileError as error:
        raise ValueError(error.error_string.strip()) from None


def meta_of(file: soundfile.SoundFile, path: Path) -> dict[str, Any]:
    """What a writer needs to write the like of an open file."""
    return {
        "rate": file.samplerate,
        "container": file.format,
        "subtype": file.subtype,
        "tags": file.copy_metadata(),
        "dropped": dropped_chunks(path) if file.format in ("WAV", "WAVEX", "RF64") else (),
    }


def write_sound(record: Record, path: str | Path) -> None:
    """Write a recording in the container of the extension, at the record's rate and depth.

    Going down to 8 or 16 bits, values off the grid get triangular dither of one step. What lies
    beyond full scale is clipped, counted, and said in a warning. Lossy formats are written in their
    best quality. ValueError where the container cannot hold the rate or so many channels.
    """
    path = Path(path)
    with atomic_path(path) as partial:
        with SoundWriter(partial, path, len(record.signal), record.meta) as writer:
            writer.write(record.signal.numpy())
        writer.warn()


class SoundWriter:
    """A recording that is written piece by piece; (channels, samples) each."""

    def __init__(self, path: Path, name: Path, channels: int, meta: Mapping[str, Any]):
        """path: the file to write; name: what it will be called, which tells the container."""
        self.name, self.lost = name, list(meta.get("dropped", ()))
        container = CONTAINERS[name.suffix.lower()]
        subtype = _subtype(container, meta)
        lossy = {"compression_level": 0.0} if container in ("OGG", "MP3") else {}
        with naming(name):
            self.file = soundfile.SoundFile(
                path, "w", meta["rate"], channels, subtype, format=container, **lossy
            )
            self._tag(meta.get("tags", {}))
        self.quantise = Quantiser(subtype)

    def _tag(self, tags: Mapping[str, str]) -> None:
        for key, text in tags.items():
            try:
                setattr(self.file, key, text)
            except soundfile.LibsndfileError:  # W64 holds no words, MP3 no empty ones
                if text:
                    self.lost.append(key)

    def write(self, signal: np.ndarray) -> None:
        """Append (channels, samples) of floats, full scale 1."""
        for start in range(0, signal.shape[1], BLOCK):
            self.file.write(self.quantise(signal[:, start : start + BLOCK].T))

    def warn(self) -> None:
        """Say what was lost."""
        if self.quantise.clipped:
            _warn(f"{self.name.name}: {self.quantise.clipped} samples beyond full scale, clipped")
        if self.lost:
            _warn(f"{self.name.name}: without {', '.join(self.lost)}, which cannot be copied")

    def __enter__(self) -> "SoundWriter":
        return self

    def __exit__(self, *error: object) -> None:
        self.file.close()


def _subtype(container: str, meta: Mapping[str, Any]) -> str:
    """The record's own where the container has it, else the deepest that it has."""
    known = soundfile.available_subtypes(container)
    wanted = (meta.get("subtype"), "PCM_24", "VORBIS", "MPEG_LAYER_III")
    return next(subtype for subtype in wanted if subtype in known)


def _warn(words: str) -> None:
    warnings.warn(words, RestoreWarning, stacklevel=3)
