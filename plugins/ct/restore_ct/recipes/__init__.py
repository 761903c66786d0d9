"""What `restore run` does with projections and with slices."""
