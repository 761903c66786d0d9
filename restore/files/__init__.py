"""Files in, files out: what the command line does for each input."""
