"""The account of a restoration: what report.json holds, numbers first, then how it came about."""

import json
import math
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ...sampling.posterior import Posterior
from ..answers.answering import Answer
from ..merit.coverage import LEVELS, covered, covered_at, expected
from ..merit.doubts import doubts
from ..problem import Problem, Settings
from ..runs.identity import origin
from ..runs.outputs import Outcome
from ..task import Record

# what `restore run --json` prints of each input, for every recipe
KEYS = (
    "input", "output", "recipe", "operator", "noise", "prior", "sampler", "steps", "calls",
    "chains", "seed", "seconds", "chi_square", "metrics",
)  # fmt: skip


def account(found: Answer, settings: Settings, output: Path) -> dict[str, Any]:
    """All facts of one restoration; KEYS come first. output: the restored file.

    doubts: what a user should know before the answer is trusted, a line each.

    chi_square: the mean of the samples', about 1 where they explain the data; None where the noise
    is not Gaussian or is zero.
    """
    problem, posterior = found.problem, found.posterior
    made = dict(posterior.provenance)
    misfits = misfits_of(problem, posterior)
    numbers = {key: made.pop(key) for key in ("steps", "calls", "chains", "seed", "seconds")}
    numbers["seed"] = settings.sampling.seed  # a part of a file has one of its own
    made.pop("sampler")
    intervals = made.pop("intervals", None)
    return {
        "input": str(problem.source),
        "output": str(output),
        "recipe": settings.recipe,
        "operator": repr(problem.task.measurement.operator),
        "noise": problem.noise,
        "prior": problem.prior_name,
        "sampler": problem.sampler.name,
        **numbers,
        "chi_square": sum(misfits) / len(misfits) if misfits else None,
        "metrics": {},  # stands here, among the KEYS
        "noise_source": problem.noise_source,
        "chi_square_of_samples": misfits,
        "doubts": doubts(
            problem, settings, found.residual, misfits, posterior.provenance.get("solves")
        ),
        "intervals": intervals,
        **merit(found),
        "facts": dict(problem.task.facts),
        "provenance": {**provenance(problem.source, settings), **made},
    }


def merit(found: Answer) -> dict[str, Any]:
    """What the reference tells of an answer: metrics of each record, and coverage."""
    problem, draws = found.problem, found.draws
    return {
        "metrics": compared(problem, found.shown | {of: expected(d) for of, d in draws.items()}),
        "coverage_of_90%_intervals": _coverage(problem, _spread(found)),
        "reliability": _reliability(found),
    }


def provenance(source: Path, settings: Settings) -> dict[str, Any]:
    """The command, the input and the settings: what must be known to do it again."""
    return {
        "command": settings.command,
        "recipe_options": dict(settings.options),
        **(settings.made_of or origin(source, settings)),
    }


def derivation(facts: Mapping[str, Any]) -> dict[str, str]:
    """How a restored file was made, as its own metadata says it: name -> words."""
    keys = ("recipe", "prior", "sampler", "steps", "chains", "seed", "noise")
    made = {key: str(facts[key]) for key in keys if facts[key] is not None}
    digest = dict(facts["provenance"].get("prior", {})).get("sha256")
    more = {"prior_sha256": str(digest)} if digest else {}
    return {"tool": "restore", "version": version("restore-toolbox"), **made, **more}


def kept(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What the ledger of a run keeps of an account: KEYS, and what its sentence says beside."""
    return {key: facts.get(key) for key in (*KEYS, "coverage_of_90%_intervals", "intervals")}


def row(outcome: Outcome) -> dict[str, Any]:
    """KEYS of an account; of an input that failed, with `error` and nothing else known."""
    if outcome.error is not None:
        return {
            **dict.fromkeys(KEYS), "input": str(outcome.source), "error": str(outcome.error),
        }  # fmt: skip
    return {key: outcome.facts[key] for key in KEYS}


def as_json(facts: Any, indent: int | None = None) -> str:
    """JSON as the standard has it: what is no number there (an infinite PSNR) becomes null."""
    return json.dumps(_finite(facts), indent=indent, allow_nan=False, default=str)


def misfits_of(problem: Problem, posterior: Posterior) -> list[float]:
    """The chi-square of each sample, one at a time for memory's sake."""
    if not problem.noise:
        return []
    measurement = problem.task.measurement
    return [measurement.chi_square(x).item() for x in posterior.samples.split(1)]


def _spread(found: Answer) -> Sequence[Record]:
    """What intervals are of: draws of a noisy reference, or samples as wide as intervals are."""
    return found.draws["predicted"][: len(found.samples)] if found.draws else found.spread


def _reliability(found: Answer) -> dict[str, Any] | None:
    """The share of the reference in intervals of many levels; None where it cannot be told.

    Of samples that intervals are wider than, their own, too.
    """
    reference = found.problem.reference
    if reference is None or len(found.samples) < 3:
        return None
    spread, truth = _spread(found), reference.signal
    of = {"intervals": spread}
    if spread is not found.samples and not found.draws:
        of["samples"] = found.samples
    curves = {
        name: covered_at([record.signal for record in records], truth, LEVELS)
        for name, records in of.items()
    }
    return {"levels": list(LEVELS), **curves}


def _coverage(problem: Problem, samples: Sequence[Record]) -> float | None:
    """The share of the reference in Student's 90 % intervals; None for fewer than 3 chains."""
    if problem.reference is None or len(samples) < 3:
        return None
    return covered([record.signal for record in samples], problem.reference.signal)


def compared(problem: Problem, shown: Mapping[str, Record]) -> dict[str, dict[str, float | None]]:
    """The problem's metrics of each record beside its reference; none where it has none."""
    if problem.reference is None:
        return {of: {} for of in shown}
    truth = problem.reference.signal
    return {
        of: {name: metric(record.signal, truth) for name, metric in problem.metrics.items()}
        for of, record in shown.items()
    }


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _finite(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write_json(path: Path, facts: Mapping[str, Any]) -> None:
    path.write_text(as_json(facts, indent=2) + "\n")
