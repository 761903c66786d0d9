"""Projections along lines, of parallel and fan beams, and filtered backprojection."""
