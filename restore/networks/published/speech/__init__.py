"""Networks of speech that are told a noisy recording."""
