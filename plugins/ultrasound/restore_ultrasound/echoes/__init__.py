"""Frames as the priors see them: which pixels are echoes, on what grid, and the way back."""
