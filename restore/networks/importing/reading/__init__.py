"""Checkpoint files read without running anything of them."""
