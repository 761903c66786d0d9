"""Runs over many files: what they are, who does what, what became of it, and where it lies."""
