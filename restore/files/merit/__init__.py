"""How good answers and denoisers are: coverage, figures of merit, doubts, whole folders."""
