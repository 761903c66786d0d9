"""Speech for restore: waveforms, classical methods, priors and recipes."""

__version__ = "0.1.0"
