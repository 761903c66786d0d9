"""Decoupling and splitting: an estimate of x0, a step towards the data, fresh noise."""
