"""Files that nobody vouches for: read plainly, within bounds, and held to a schema."""
