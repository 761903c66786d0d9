"""What the receive coils see: sensitivities, compression, phases."""
