"""Readers of ultrasound data, and writers of what is restored from them."""
