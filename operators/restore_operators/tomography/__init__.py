"""Sums along lines: parallel and fan beams, filtered backprojection."""
