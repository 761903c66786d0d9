"""How good an answer is beside a reference: coverage, figures of merit, whole folders of both."""
