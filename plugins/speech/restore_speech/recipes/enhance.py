"""enhance: noise out of speech."""

from restore.files.task import Recipe, Record, Task

from ..files.pieces import in_pieces
from ..signals.model_band import Changes, HighBand, Stereo
from .told import Front, told_task


def solve_enhance(
    record: Record,
    noise: float | None,
    *,
    strength: float = 1.0,
    max_attenuation: float | None = None,
    high_band: HighBand = "match",
    stereo: Stereo = "shared",
    front: Front = "none",
) -> Task:
    """Take noise out of speech, at the recording's own rate, depth and length.

    One network call gives the mean of what may have been said. --chains 8 draws that many samples
    instead: where they disagree, what is heard was not in the recording.

    strength: how much of the change to make, 0 to 1
    max_attenuation: dB by which noise is lowered at most; else as far as it goes
    high_band: above 8 kHz: match what was done to the octave below, keep, or drop
    stereo: shared level and noise, the mid of all channels in each of them, or independent
    front: predict tells SGMSE+ what speech-enhance makes of the recording, in its place
    """
    changes = Changes(strength, max_attenuation, high_band, stereo)
    return told_task(record, noise, changes, front, dry=False, recipe="enhance")


enhance = Recipe(solve_enhance, pieces=in_pieces)
