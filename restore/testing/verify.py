"""Samplers against posteriors that are known exactly."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ..errors import UnavailableError
from ..plugins.discovery import catalog
from ..plugins.options import options_of
from ..plugins.registry import Entry, unknown
from ..priors.combined.latent import latent
from ..priors.prior import Prior
from ..sampling.loop import DEFAULT_STEPS, sample
from .cases import CASES, QUICK, Case, data_case
from .closed_forms import coverage, sliced_wasserstein

STEPS, QUICK_STEPS, QUICK_CHAINS = 100, 36, 60
ON_DATA = "on data"  # the case of a user's own signals
FLOOR, IGNORE = "(exact draws)", "(ignores y)"
SLICES = 300  # of the sliced Wasserstein distance: 1 % of its value


@dataclass(frozen=True)
class Row:
    """How far samples of one case are from its posterior; None where they could not be had."""

    case: str
    sampler: str
    mean_error: float | None = None  # mean |error| in posterior standard deviations
    observed: float | None = None  # mean variance ratio where y says much; 1 is right
    unobserved: float | None = None  # and where it says little
    wasserstein: float | None = None  # sliced, to exact samples, in units of the signal
    coverage_50: float | None = None  # share of exact draws inside the central intervals
    coverage_90: float | None = None
    calls: int | None = None  # of the network, used
    stated: float | None = None  # and at most, by the sampler's own entry
    seconds: float | None = None
    reason: str = ""  # why there are no numbers
    broken: bool = False  # and whether it is a defect: the chains left the real numbers

    def facts(self) -> dict[str, Any]:
        return asdict(self)


def verify(
    samplers: Sequence[str] = (),
    cases: Sequence[str] = (),
    *,
    quick: bool = False,
    chains: int | None = None,
    steps: int | None = None,
    seed: int = 0,
    data: Tensor | None = None,
) -> Iterator[Row]:
    """A row for each sampler on each case, after one of exact draws and one that ignores y.

    samplers, cases: names; none means all (quick: the five small cases). KeyError for unknown ones.
    chains: samples of each; by default 1000, of large signals fewer, quick QUICK_CHAINS. steps:
    100, quick QUICK_STEPS. data: signals (count, channels, height, width) in place of all cases:
    the prior is that of being one of them, each as likely.
    """
    steps = steps or (QUICK_STEPS if quick else STEPS)
    entries = chosen(samplers)
    for name in cases:
        if name not in CASES:
            raise KeyError(unknown("case", name, CASES))
    known = CASES if data is None else {ON_DATA: partial(data_case, data)}
    for name in cases or (QUICK if quick and data is None else known):
        try:
            case = known[name](seed=seed)
        except UnavailableError as error:
            yield from (Row(name, entry.name, reason=str(error)) for entry in entries)
            continue
        count = chains or samples_of(name, quick=quick)
        exact = case.after.draw(count, seed + 1)
        yield row_of(case, case.after.draw(count, seed + 3), exact, name, FLOOR)
        yield row_of(case, case.before.draw(count, seed + 5), exact, name, IGNORE)
        for entry in entries:
            yield try_sampler(entry, case, exact, name, steps=steps, seed=seed)


def samples_of(case: str, *, quick: bool) -> int:
    """How many samples of a case are drawn where the user does not say."""
    return QUICK_CHAINS if quick else 100 if case == "field" else 1000


def least_samples(cases: Sequence[str], *, quick: bool) -> int:
    """The fewest samples that any of these cases has."""
    return min(samples_of(case, quick=quick) for case in cases)


def chosen(samplers: Sequence[str] = ()) -> list[Entry]:
    """The samplers of these names; none means all that look at the measurement."""
    return [_entry(name) for name in samplers] or posterior_samplers()


def posterior_samplers() -> list[Entry]:
    """All registered samplers that look at the measurement, by name."""
    entries = [e for e in catalog().registry("samplers") if not e.facts.get("unconditional")]
    return sorted(entries, key=lambda entry: entry.name)


def try_sampler(
    entry: Entry, case: Case, exact: Tensor, name: str, *, steps: int | None, seed: int, **options
) -> Row:
    """One sampler, with options of its own, on one case; as many chains as exact draws."""
    started = time.perf_counter()
    try:
        sampler = catalog().load("samplers", entry.name)
        run = {"chains": len(exact), "steps": steps, "seed": seed}
        posterior = sample(case.measurement, _prior(case, entry), sampler, **run, **options)
    except (TypeError, ValueError, UnavailableError, FloatingPointError) as error:
        broken = isinstance(error, FloatingPointError)
        return Row(name, entry.name, reason=" ".join(str(error).split()), broken=broken)
    facts = {
        "calls": posterior.provenance["calls"],
        "stated": stated_calls(entry, sampler, options, steps or DEFAULT_STEPS),
        "seconds": time.perf_counter() - started,
    }
    return row_of(case, posterior.samples.flatten(1).double(), exact, name, entry.name, **facts)


def _prior(case: Case, entry: Entry) -> Prior:
    """The case's own; for samplers of latents behind a codec that changes nothing."""
    if "latent prior" not in entry.facts["needs"]:
        return case.prior
    return latent(case.prior, lambda x: x, lambda z: z)


def row_of(case: Case, samples: Tensor, exact: Tensor, name: str, sampler: str, **facts) -> Row:
    """The row of these samples (count, n)."""
    axes = torch.cat([case.observed, case.unobserved], 1)
    away = (samples.mean(0) - case.after.mean) @ axes / case.after.variance(axes).sqrt()
    return Row(
        name,
        sampler,
        mean_error=away.abs().mean().item(),
        observed=_ratio(case, samples, case.observed),
        unobserved=_ratio(case, samples, case.unobserved),
        wasserstein=sliced_wasserstein(samples, exact, slices=SLICES),
        coverage_50=coverage(samples, exact, 0.5, axes),
        coverage_90=coverage(samples, exact, 0.9, axes),
        **facts,
    )


def _ratio(case: Case, samples: Tensor, axes: Tensor) -> float | None:
    if not axes.shape[1]:
        return None
    return ((samples @ axes).var(0) / case.after.variance(axes)).mean().item()


def stated_calls(entry: Entry, sampler: Any, given: Mapping[str, Any], steps: int) -> float | None:
    """Most network calls of a run, as registered; None for a sampler that does not say.

    The entry's `calls` are those of a step: a number, or an expression in the sampler's options.
    """
    calls = entry.facts.get("calls")
    if isinstance(calls, str):
        table = {name: option.default for name, option in options_of(sampler).items()}
        calls = eval(calls, {"__builtins__": {}}, {**table, **given})
    return None if calls is None else calls * steps


def _entry(name: str) -> Entry:
    return catalog().entry("samplers", name)
