"""Convolutions, and what is a matrix along each axis."""
