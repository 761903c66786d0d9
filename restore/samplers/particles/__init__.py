"""Particles and ensembles: each chain holds a cloud of states."""
