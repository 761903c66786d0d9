"""Magnetic resonance imaging for restore: k-space, coils, masks, a prior and recipes."""

__version__ = "0.1.0"
