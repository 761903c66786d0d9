"""Readers and writers of photographs."""
