"""Training of the embedded speech networks: recordings are mixed anew for every step."""
