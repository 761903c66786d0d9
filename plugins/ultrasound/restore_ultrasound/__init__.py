"""Ultrasound for restore: frames and cines, the signal chain, haze, priors and recipes."""

__version__ = "0.1.0"
