"""k-space as a record: its conventions, its middle, its scale."""
