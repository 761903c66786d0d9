"""All samplers on the mixtures of the MCGdiff paper, beside exact draws: python -m
benchmarks.posterior

25 well separated modes and few measured directions: nearly the whole distance is the weights of
the modes, so that the row which ignores y belongs to every reading. deepinv's samplers run on the
same problems where deepinv is installed.
"""

import argparse
import time
from collections import defaultdict

import torch

from restore.cases import Case, mixture_case
from restore.measurement import simulate
from restore.noise import Gaussian
from restore.priors.exact import gaussian
from restore.registry import Entry
from restore.sampling import sample
from restore.verify import FLOOR, IGNORE, measured, posterior_samplers, tried

from . import peers_posterior
from .tables import publish, table

SIZES = ((8, (1, 2, 4)), (80, (1, 2, 4)), (800, (1, 2, 4)))
OVERHEAD = ("dps", "pigdm", "diffpir", "daps")


def main() -> None:
    given = _arguments()
    entries = [e for e in posterior_samplers() if not given.samplers or e.name in given.samplers]
    tables = []
    for n, numbers in SIZES:
        if n in given.sizes:
            tables.append(_distances(n, numbers, entries, given))
    tables.append(_overhead())
    publish(
        "posterior",
        "Samplers against exact posteriors: 25-component mixtures",
        f"Sliced 1-Wasserstein distance (mean of {given.problems} problems, {given.chains} "
        f"samples, {given.steps} steps, default options) for 1, 2 and 4 measured directions of n, "
        "and seconds a problem. The distance is in units of a mode's width; modes lie 8 apart.",
        tables,
    )


def _distances(n: int, numbers: tuple[int, ...], entries: list[Entry], given) -> str:
    found = defaultdict(lambda: defaultdict(list))
    seconds = defaultdict(list)
    for m in numbers:
        for seed in range(given.problems):
            case = mixture_case(n, m, seed=seed)
            for row in _rows(case, entries, given, seed):
                print(n, m, seed, row.sampler, row.wasserstein, row.reason, flush=True)
                if row.wasserstein is not None:
                    found[row.sampler][m].append(row.wasserstein)
                if row.seconds is not None:
                    seconds[row.sampler].append(row.seconds)
    order = sorted(found, key=lambda name: (name != FLOOR, sum(map(sum, found[name].values()))))
    rows = [
        [name, *(_mean(found[name][m]) for m in numbers), _mean(seconds[name], 1)] for name in order
    ]
    return table([f"n = {n}", *(f"{m} measured" for m in numbers), "s"], rows)


def _rows(case: Case, entries: list[Entry], given, seed: int):
    exact = case.after.draw(given.chains, seed + 1)
    yield measured(case, case.after.draw(given.chains, seed + 3), exact, "", FLOOR)
    yield measured(case, case.before.draw(given.chains, seed + 5), exact, "", IGNORE)
    for entry in entries:
        yield tried(entry, case, exact, "", steps=given.steps, seed=seed)
    yield from peers_posterior.rows(case, exact, given.steps)


def _overhead(steps: int = 200) -> str:
    """Milliseconds a step beside a network that costs nothing, on an 8x8 signal, 1 chain."""
    kept = (torch.arange(64).reshape(1, 8, 8) % 2).float()
    from restore_operators.mask import Mask

    measurement = simulate(Mask(kept), Gaussian(0.1), torch.zeros(1, 8, 8))
    prior = gaussian(torch.zeros(1, 8, 8), 1.0)
    x = torch.zeros(1, 1, 8, 8)
    started = time.perf_counter()
    for _ in range(steps):
        prior.denoise(x, torch.tensor(0.5))
    network = time.perf_counter() - started
    rows = []
    for entry in posterior_samplers():
        if entry.name in OVERHEAD:
            sampler = entry.load()
            sample(measurement, prior, sampler, steps=5)
            started = time.perf_counter()
            sample(measurement, prior, sampler, steps=steps)
            spent = time.perf_counter() - started - network
            rows.append([entry.name, f"{1000 * spent / steps:.2f}"])
    rows += peers_posterior.overhead(measurement, prior, steps)
    return table(["8x8 signal", "ms a step"], rows)


def _mean(values: list[float], digits: int = 2) -> str:
    return f"{sum(values) / len(values):.{digits}f}" if values else "-"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("samplers", nargs="*", help="names; all where none is given")
    parser.add_argument("--sizes", type=int, nargs="+", default=[8, 80, 800])
    parser.add_argument("--problems", type=int, default=10)
    parser.add_argument("--chains", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=50)
    return parser.parse_args()


if __name__ == "__main__":
    main()
