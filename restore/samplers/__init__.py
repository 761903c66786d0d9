"""Posterior samplers: one paper, one file, in the folder of its family."""
