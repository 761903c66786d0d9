"""Readers of projections, and writers of what is restored from them."""
