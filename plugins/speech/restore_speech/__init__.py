"""Speech: noisy, reverberant, clipped, narrow or broken recordings made whole."""

__version__ = "0.1.0"
