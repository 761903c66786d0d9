"""Operators that treat each element, or the channels of one place."""
