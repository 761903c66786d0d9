"""Side-by-side measurements; `python -m benchmarks` runs and writes them all."""
