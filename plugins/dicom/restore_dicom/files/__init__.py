"""Readers and writers of medical volumes."""
