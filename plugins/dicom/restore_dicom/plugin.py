"""What this package teaches restore: its table of contents."""

from restore.hookspecs import hook  # noqa: F401
