"""What samplers of several papers share."""
