"""Blurs, downsampling, kernels, and other maps that act along the axes of an image."""
