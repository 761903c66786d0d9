"""Levels, rates, silence and damage: what is seen in a waveform before any model is."""
