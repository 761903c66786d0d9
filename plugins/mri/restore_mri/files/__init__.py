"""Readers of k-space, and writers of what is restored from it."""
