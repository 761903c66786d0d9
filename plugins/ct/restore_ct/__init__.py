"""Computed tomography for restore: sinograms, attenuation, a prior and recipes."""

__version__ = "0.1.0"
