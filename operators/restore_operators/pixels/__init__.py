"""Operators that act on each element by itself, on the channels of a pixel, or at the border."""
