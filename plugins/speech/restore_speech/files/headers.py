"""Headers that lie, and what a file holds beside its samples."""

import re
from collections.abc import Iterator
from pathlib import Path

import soundfile

UNKNOWN = 0xFFFFFF00  # a size of a stream that was written before its end was known, and above
COPIED = {"fmt ", "data", "fact", "PEAK", "JUNK", "junk", "PAD ", "FLLR", "ds64", "LIST"}
# what libsndfile notes of a file that ends too early
SIZES = re.compile(r"^\s*(?:data|riff)\s*:\s*(\d+)\s*\(should be (\d+)\)", re.M)
NOTES = (
    "not equal to frame count",  # AIFF
    "does not match value",  # RF64
    "File ended unexpectedly",  # OGG
)


def refuse_a_lying_header(file: soundfile.SoundFile) -> None:
    """ValueError where the header promises more than the file holds.

    Sizes of 2^32 - 1, which streams are written with, promise nothing.
    """
    notes = file.extra_info
    for promised, held in SIZES.findall(notes):
        if int(held) < int(promised) < UNKNOWN:
            raise ValueError(
                f"it is cut off: the header promises {promised} bytes, {held} are there"
            )
    if any(note in notes for note in NOTES):
        raise ValueError(f"it is cut off: the header promises more than {file.frames} samples")


def dropped_chunks(path: Path) -> tuple[str, ...]:
    """Names of the chunks of a RIFF file that no writer here copies: cue, bext, smpl and others."""
    return tuple(dict.fromkeys(name.strip() for name in _chunks(path) if name not in COPIED))


def _chunks(path: Path) -> Iterator[str]:
    size = path.stat().st_size
    with open(path, "rb") as file:
        file.seek(12)
        while len(head := file.read(8)) == 8:
            yield head[:4].decode("latin-1")
            length = int.from_bytes(head[4:], "little")
            file.seek(length + length % 2, 1)
            if file.tell() >= size:
                return
