"""Problems answered: one at a time, and sequences frame by frame."""
