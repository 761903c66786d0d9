"""What a user gives in files of its own: gaps, and a room's response."""

import csv
import json
import math
from pathlib import Path

from torch import Tensor

from restore.files.naming import naming

from ..files.sound import read_sound
from ..signals.rates import RATE, resampled

DIRECT = 0.5  # of the loudest tap: what comes first and has so much is the direct sound
TOP = 8  # samples in which its top lies


def intervals(path: Path) -> list[tuple[float, float]]:
    """(begin, end) in seconds of each line of a CSV file, or of a JSON list of pairs.

    A first line of words is a heading. ValueError for what is none, and where an end is not after
    its beginning.
    """
    path = Path(path)
    with naming(path):
        text = path.read_text("utf-8")
        pairs = json.loads(text) if path.suffix.lower() == ".json" else _rows(text)
        found = [(float(begin), float(end)) for begin, end in pairs]
        for begin, end in found:
            if not 0 <= begin < end < math.inf:
                raise ValueError(
                    f"a gap begins at 0 s or later and ends after that: {begin}, {end}"
                )
    return found


def response(path: Path) -> tuple[Tensor, int]:
    """A room's response at 16 kHz, (taps,), and its tap of the direct sound, which has value 1.

    Of a file of several channels the first. ValueError for silence.
    """
    record = read_sound(path)
    taps = resampled(record.signal[:1].double(), record.meta["rate"], RATE)[0]
    if not taps.any():
        raise ValueError(f"{path} is silent; a response begins with the direct sound")
    size = taps.abs()
    first = int((size > DIRECT * size.max()).nonzero()[0])
    direct = first + int(size[first : first + TOP].argmax())  # reflections may be louder
    return (taps / taps[direct]).float(), direct


def _rows(text: str) -> list[list[str]]:
    rows = [row for row in csv.reader(text.splitlines()) if row]
    return rows[1:] if rows and not _number(rows[0][0]) else rows


def _number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
