"""The one loop, and what it alone needs."""
