"""Replacement and null space: what was measured is put in the place of what was denoised."""
