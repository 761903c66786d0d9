"""Guidance: the likelihood's gradient, added to the denoiser."""
