"""What happens to a recording: gaps, clipping, rounding, bands, rooms, coloured noise, gain.

Signals are waveforms (1, samples). Operators are linear, and close their proximal steps where
that can be; what is not linear is a law of measurement, a `NoiseModel` of the identity.
"""

from .band import BandLimit, Resample
from .intervals import Clipping, Quantisation
from .room import RoomResponse
from .samples import Gaps, gain
from .stft import STFT, Coloured, coloured
from .unknown_room import UnknownRoom

__all__ = [
    "STFT",
    "BandLimit",
    "Clipping",
    "Coloured",
    "Gaps",
    "Quantisation",
    "Resample",
    "RoomResponse",
    "UnknownRoom",
    "coloured",
    "gain",
]
