"""Networks that see waveforms through the short-time Fourier transform."""
