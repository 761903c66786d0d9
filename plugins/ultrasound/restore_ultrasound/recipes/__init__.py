"""What `restore run` does with frames and cines."""
