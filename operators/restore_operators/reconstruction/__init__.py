"""Classical reconstructions, to begin from and to compare with."""
