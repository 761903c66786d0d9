"""What `restore run` does with k-space and with magnitude images."""
