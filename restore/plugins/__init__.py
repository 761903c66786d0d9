"""Plugins: the hooks they answer, how they are found, and the registry of what they bring."""
