"""Seconds a network call, the overhead of a step beyond it, and what precision and layout bring.

python -m benchmarks.speed
"""

import resource
import subprocess
import sys
import time

import torch
from restore_operators import Mask, random_mask

import restore
from restore.measurement.measurement import simulate
from restore.measurement.noise import Gaussian
from restore.sampling.precision import Counted

from .tables import publish, table

SAMPLERS = ("ancestral", "dps", "pigdm", "diffpir", "ddnm", "daps")


def main() -> None:
    sections = [
        "## Per-step overhead, 8x8 signal, one chain\n\n" + overhead(),
        "## One network call, 256x256\n\n" + calls(),
        "## Peak memory\n\n" + memory(),
    ]
    notes = "Medians; ratios are of the same process, in turn."
    publish("speed", "Speed", notes, sections)


def overhead(steps: int = 200) -> str:
    """ms a step beyond the network, with a network that costs nothing."""
    shape = (1, 8, 8)
    measurement = simulate(Mask(random_mask(shape, 0.5, 0)), Gaussian(0.05), torch.rand(shape))
    free = restore.Prior(lambda x, sigma: x * 0.5, sigma_max=10.0)
    rows = []
    for name in SAMPLERS:
        times = []
        for _ in range(5):
            start = time.perf_counter()
            restore.sample(measurement, free, sampler=name, steps=steps)
            times.append(time.perf_counter() - start)
        rows.append([name, f"{1000 * sorted(times)[2] / steps:.3f}"])
    return table(("sampler", "ms a step"), rows)


def calls(size: int = 256) -> str:
    """Seconds of a call, alone and with its pullback, in every combination."""
    rows, first = [], None
    for layout in ("contiguous", "channels_last"):
        for precision in ("float32", "bfloat16"):
            prior = restore.load_prior("image-grey")
            form = torch.channels_last if layout == "channels_last" else torch.contiguous_format
            prior.network.to(memory_format=form)
            denoise = Counted(prior, precision, torch.device("cpu"))
            x = torch.rand(1, 1, size, size)
            alone = _median(lambda: denoise(x, 0.1))  # noqa: B023
            both = _median(lambda: _with_pullback(denoise, x))  # noqa: B023
            first = first or alone
            rows.append([layout, precision, f"{alone:.3f}", f"{both:.3f}", f"{first / alone:.2f}"])
    return table(("layout", "precision", "s a call", "s with pullback", "times faster"), rows)


def _with_pullback(denoise, x):
    _, pullback = restore.linearize(denoise, x, 0.1)
    return pullback(x)


def _median(call, repeats: int = 5) -> float:
    times = []
    with torch.no_grad():
        call()
        for _ in range(repeats):
            start = time.perf_counter()
            call()
            times.append(time.perf_counter() - start)
    return sorted(times)[repeats // 2]


def memory() -> str:
    """Peak resident memory of restoring a large photograph, in a process of its own."""
    rows = []
    for height, width, name in (
        (256, 256, "pigdm"),
        (1500, 2000, "pigdm"),
        (1500, 2000, "diffpir"),
    ):
        command = [sys.executable, "-m", "benchmarks.speed", str(height), str(width), name]
        peak = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        rows.append([f"{width}x{height}", name, peak])
    return table(("photograph", "sampler, 1 chain", "peak GiB"), rows)


def _restore_once(height: int, width: int, name: str) -> None:
    shape = (1, height, width)
    measurement = simulate(Mask(random_mask(shape, 0.7, 0)), Gaussian(0.02), torch.rand(shape))
    prior = restore.load_prior("image-grey")
    restore.sample(measurement, prior, sampler=name, steps=2)
    print(f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f}")


if __name__ == "__main__":
    if len(sys.argv) == 4:
        _restore_once(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
    else:
        main()
