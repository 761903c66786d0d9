"""Which samples of k-space are measured."""
