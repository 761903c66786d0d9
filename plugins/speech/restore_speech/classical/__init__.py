"""Classical methods for speech: baselines, and where a diffusion may begin.

All take a waveform (samples,), of numpy or torch, and give one of the same kind and length; a
louder input gives the same output, louder. Sources stand at each method.
"""

from .declipping import declip_aspade
from .deconvolution import wiener_deconvolve
from .gate import spectral_gate
from .interpolation import interpolate_ar
from .suppression import log_mmse, wiener
from .wpe import wpe

__all__ = [
    "declip_aspade",
    "interpolate_ar",
    "log_mmse",
    "spectral_gate",
    "wiener",
    "wiener_deconvolve",
    "wpe",
]
