"""Priors made of other priors."""
