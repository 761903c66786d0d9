"""Folders of the diffusers package: networks, schedulers, and what reads texts."""
