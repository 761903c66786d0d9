"""What plugins register, and how they are found."""
