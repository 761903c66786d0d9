"""The smallest plugin of restore."""
