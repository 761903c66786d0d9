"""Other people's checkpoints: read safely, recognised, and converted once into a folder."""
