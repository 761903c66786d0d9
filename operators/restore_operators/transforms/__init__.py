"""Fourier transforms and wavelets."""
