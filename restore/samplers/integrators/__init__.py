"""Samplers of p(x): they do not look at the measurement, and carry the guided ones."""
