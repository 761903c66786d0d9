"""Run all benchmarks: python -m benchmarks (an hour or so on two cores)."""

import runpy
import sys

for name in (
    "denoising",
    "images",
    "speed",
    "posterior",
    "mri",
    "mri_speed",
    "ct",
    "ct_speed",
    "latent",
    "foreign",
    "exact_score",
    "speech",
    "ultrasound",
    "scale",
):
    sys.argv = [f"benchmarks/{name}.py"]
    runpy.run_module(f"benchmarks.{name}", run_name="__main__")
