"""Priors made of other priors, and priors that are known exactly."""
