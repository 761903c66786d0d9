"""Photographs for restore: files, recipes, priors and figures of merit."""

__version__ = "0.1.0"
