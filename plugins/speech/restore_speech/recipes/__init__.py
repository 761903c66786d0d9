"""What `restore run` does to recordings."""
