"""What several published networks are made of."""
