"""Latents: samplers that use the decoder of their prior themselves."""
