"""All samplers on the mixtures of the MCGdiff paper, beside exact draws: python -m
benchmarks.posterior

25 well separated modes and few measured directions: nearly the whole distance is the weights of
the modes, so that the row which ignores y belongs to every reading. deepinv's samplers run on the
same problems where deepinv is installed.
"""

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import torch

from restore.measurement.measurement import simulate
from restore.measurement.noise import Gaussian
from restore.plugins.discovery import catalog
from restore.priors.exact import gaussian
from restore.samplers.parts.covariance import jacobian
from restore.sampling.loop import sample
from restore.testing.cases import Case, mixture_case
from restore.testing.verify import FLOOR, IGNORE, Row, posterior_samplers, row_of, try_sampler

from . import peers_posterior
from .tables import publish, table

NUMBERS = (1, 2, 4)  # of measured directions
OVERHEAD = ("dps", "pigdm", "diffpir", "daps")
# held to a bound: particles, and the memory of one chain
TARGETS = {
    "tds": ("tds", {}),
    "tds, 1 particle, 8 passes": ("tds", {"particles": 1, "passes": 8}),
    "tmpd": ("tmpd", {}),
}
VARIANTS = {"daps, covariance=jacobian": ("daps", {"covariance": jacobian})}

Attempt = Callable[[Case, torch.Tensor, int], Row]  # (case, exact draws, seed) -> Row


def main() -> None:
    given = _arguments()
    attempts = _attempts(given)
    kept = _kept(given.keep)
    for n in given.sizes:
        for m in NUMBERS:
            for seed in range(given.problems):
                _problem(n, m, seed, attempts, kept, given)
    tables = [_distances(n, kept) for n in given.sizes]
    if given.overhead:
        tables.append(_overhead())
    publish(
        "posterior",
        "Samplers against exact posteriors: 25-component mixtures",
        f"Sliced 1-Wasserstein distance to exact samples (mean over problems, {given.chains} "
        f"samples, {given.steps} steps, default options unless stated) for 1, 2 and 4 measured "
        "directions of n; the largest of its three ratios to the floor, two sets of exact draws on "
        "the same problems; how many problems each of the three had; CPU seconds a problem. The "
        "distance is in units of a mode's width; modes lie 8 apart. Rows of different numbers of "
        "problems are to be compared by their ratio.",
        tables,
    )


def _attempts(given) -> dict[str, tuple[Attempt, int]]:
    """label -> what runs it, and on how many problems."""
    every = given.problems
    attempts: dict[str, tuple[Attempt, int]] = {
        FLOOR: (lambda c, e, s: row_of(c, c.after.draw(len(e), s + 3), e, "", FLOOR), every),
        IGNORE: (lambda c, e, s: row_of(c, c.before.draw(len(e), s + 5), e, "", IGNORE), every),
    }
    for label, (name, options) in TARGETS.items():
        attempts[label] = _ours(name, options, given.steps), every
    for label, (name, options) in VARIANTS.items():
        attempts[label] = _ours(name, options, given.steps), given.rest
    for name in [entry.name for entry in posterior_samplers()]:
        attempts.setdefault(name, (_ours(name, {}, given.steps), given.rest))
    for name in peers_posterior.available():
        run = peers_posterior.attempt(name, given.steps)
        attempts[f"deepinv {name}"] = run, given.rest
    wanted = {FLOOR, IGNORE, *given.rows} if given.rows else attempts
    return {label: run for label, run in attempts.items() if label in wanted}


def _ours(name: str, options: dict, steps: int) -> Attempt:
    entry = catalog().entry("samplers", name)
    return lambda case, exact, seed: try_sampler(
        entry, case, exact, "", steps=steps, seed=seed, **options
    )


def _problem(n: int, m: int, seed: int, attempts, kept: list[dict], given) -> None:
    """Every attempt on one problem that is not among the kept rows yet."""
    have = {row["label"] for row in kept if (row["n"], row["m"], row["seed"]) == (n, m, seed)}
    missing = [k for k, (_, problems) in attempts.items() if k not in have and seed < problems]
    if not missing:
        return
    case = mixture_case(n, m, seed=seed)
    exact = case.after.draw(given.chains, seed + 1)
    for label in missing:
        started = time.process_time()
        row = attempts[label][0](case, exact, seed)
        facts = {"n": n, "m": m, "seed": seed, "label": label, "distance": row.wasserstein}
        facts |= {"seconds": time.process_time() - started, "reason": row.reason}
        print(json.dumps(facts), flush=True)
        kept.append(facts)
        if given.keep:
            with given.keep.open("a") as file:
                file.write(json.dumps(facts) + "\n")


def _kept(path: Path | None) -> list[dict]:
    if path is None or not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines()]


def _distances(n: int, kept: list[dict]) -> str:
    """The table of one size; rows by their largest ratio to the floor of their own problems."""
    found = defaultdict(lambda: {m: {} for m in NUMBERS})
    seconds = defaultdict(list)
    for row in kept:
        if row["n"] == n and row["distance"] is not None:
            found[row["label"]][row["m"]][row["seed"]] = row["distance"]
            seconds[row["label"]].append(row["seconds"])
    ratios = {label: _ratio(of, found[FLOOR]) for label, of in found.items()}
    rows = []
    for label in sorted(found, key=lambda label: (label != FLOOR, ratios[label])):
        each = [found[label][m].values() for m in NUMBERS]
        means = [f"{sum(v) / len(v):.2f}" if v else "-" for v in each]
        spent = sum(seconds[label]) / len(seconds[label])
        counts = ", ".join(str(len(v)) for v in each)
        rows.append([label, *means, f"{ratios[label]:.1f}", counts, f"{spent:.1f}"])
    head = [f"n = {n}", *(f"{m} measured" for m in NUMBERS), "of the floor", "problems", "CPU s"]
    return table(head, rows)


def _ratio(found: dict[int, dict[int, float]], floor: dict[int, dict[int, float]]) -> float:
    """The largest over 1, 2 and 4 measured directions."""
    return max(
        sum(found[m].values()) / sum(floor[m][seed] for seed in found[m])
        for m in NUMBERS
        if found[m]
    )


def _overhead(steps: int = 200) -> str:
    """CPU milliseconds a step less those of the same denoiser alone, 8x8 signal, 1 chain; the
    least of five runs."""
    kept = (torch.arange(64).reshape(1, 8, 8) % 2).float()
    from restore_operators.pixels.mask import Mask

    measurement = simulate(Mask(kept), Gaussian(0.1), torch.zeros(1, 8, 8))
    prior = gaussian(torch.zeros(1, 8, 8), 1.0)
    x, level = torch.zeros(1, 1, 8, 8), torch.tensor(0.5)
    alone = _least(lambda: [prior.denoise(x, level) for _ in range(steps)])
    runs = {
        name: (lambda sampler=sampler: sample(measurement, prior, sampler, steps=steps))
        for name, sampler in ((name, catalog().load("samplers", name)) for name in OVERHEAD)
    }
    runs |= peers_posterior.runs(measurement, prior, steps)
    rows = []
    for name, run in runs.items():
        try:
            rows.append([name, f"{1000 * (_least(run) - alone) / steps:.2f}"])
        except peers_posterior.FAILURES as error:
            rows.append([name, type(error).__name__])
    return table(["8x8 signal", "ms a step"], rows)


def _least(run: Callable[[], object], times: int = 5) -> float:
    """CPU seconds of the fastest of some runs; one more goes before, to warm up."""
    spent = []
    for _ in range(times + 1):
        started = time.process_time()
        run()
        spent.append(time.process_time() - started)
    return min(spent[1:])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", nargs="*", help="rows of the table; all where none is given")
    parser.add_argument("--sizes", type=int, nargs="+", default=[8, 80, 800])
    parser.add_argument("--problems", type=int, default=10, help="of rows with a bound")
    parser.add_argument("--rest", type=int, default=10, help="problems of the other rows")
    parser.add_argument("--chains", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--keep", type=Path, help="a file of finished rows, to go on from")
    parser.add_argument("--overhead", action=argparse.BooleanOptionalAction, default=True)
    return parser.parse_args()


if __name__ == "__main__":
    main()
