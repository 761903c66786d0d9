"""How wide intervals are, and what tells it: a calibration, data that were kept back, or nothing.

A task's own split of lines or views also tells which options are best, and spreads the samples
themselves. A calibration on files and thinning leave the samples as they are drawn, and widen (or
narrow) the standard deviation and the intervals.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from ...errors import UsageError
from ...measurement.measurement import Measurement
from ...measurement.noise import Gaussian
from ...sampling.held_out import CHAINS, best_options, width
from ...sampling.posterior import Posterior
from ...sampling.thinning import can_be_thinned, thinned
from ..merit.calibration import Calibration, Run, calibrations_in, read_calibration
from ..problem import Problem, Sampling

# (problem, how it is sampled) -> samples (chains, *in_shape)
Draw = Callable[[Problem, Sampling], Tensor]
Widen = Callable[[Posterior], Posterior]
AS_SAMPLED = "as the samples spread"
KEPT_SHAPES = "samples keep their shapes: only std and intervals are wider or narrower"
THINNED = "as thinned data ask, which tell nothing of what the operator hides"
NONE = "none"  # in place of a calibration's file


def widths(problem: Problem, asked: Sampling, draw: Draw) -> tuple[Problem, Widen]:
    """The problem with the options that predict held-out data best, and what sets the widths.

    UsageError for a calibration that was asked for, and is not for this run.
    """
    if asked.chains < 2:
        return problem, lambda posterior: posterior
    if problem.task.held_out_split is not None and asked.calibration is None:
        return _by_lines(problem, asked, draw) if asked.held_out else (problem, _told(AS_SAMPLED))
    found, lacks = _calibration(problem, asked)
    if found is not None:
        return problem, _calibrated(found)
    if asked.held_out and can_be_thinned(problem.task.measurement):
        return problem, _by_thinning(problem, asked, draw, lacks)
    return problem, _told(AS_SAMPLED + lacks)


def thinned_part(problem: Problem, asked: Sampling) -> tuple[Problem, Sampling] | None:
    """The run on a thinned part of the data that `widths` will ask for; None where it will not."""
    task = problem.task
    known = task.held_out_split is not None and asked.calibration is None
    if asked.chains < 2 or known or not (asked.held_out and can_be_thinned(task.measurement)):
        return None
    if _calibration(problem, asked)[0] is not None:
        return None
    return _few(problem, asked, thinned(task.measurement, seed=asked.seed).kept, {})


def described(problem: Problem, asked: Sampling) -> Run | None:
    """What a calibration asks of the run; None where noise or operator cannot be told."""
    noise, operator = problem.task.measurement.noise, problem.task.degradation
    if operator is None or not isinstance(noise, Gaussian) or not isinstance(noise.std, float):
        return None
    card = problem.prior.card
    return Run(
        problem.recipe,
        problem.prior_name,
        str(card.get("sha256", "")),
        problem.sampler.name,
        {name: _plain(value) for name, value in problem.options.items()},
        asked.steps,
        asked.chains,
        noise.std,
        operator,
    )


def _calibration(problem: Problem, asked: Sampling) -> tuple[Calibration | None, str]:
    """The calibration for this run, and, where none is, why that of the recipe is not."""
    if asked.calibration == NONE:
        return None, ""
    run = described(problem, asked)
    given = asked.calibration is not None
    known = (
        [read_calibration(Path(asked.calibration))] if given else calibrations_in(problem.beside)
    )
    words = ""
    for one in known:
        lacks = ["this operator is not told"] if run is None else one.lacks(run)
        if not lacks:
            return one, ""
        if given:
            raise UsageError(f"{asked.calibration} is not for this run: {'; '.join(lacks)}")
        if one.recipe == problem.recipe:
            words = f" (its calibration is not for this run: {'; '.join(lacks)})"
    return None, words


def _calibrated(calibration: Calibration) -> Widen:
    told = _told(f"{calibration.words}; {KEPT_SHAPES}")

    def widen(posterior: Posterior) -> Posterior:
        width = calibration.width(posterior.samples.std(0))
        return replace(told(posterior), width=width)

    return widen


def _by_thinning(problem: Problem, asked: Sampling, draw: Draw, lacks: str) -> Widen:
    """By a small run after the large one, which may so be interrupted and gone on with."""

    def widen(posterior: Posterior) -> Posterior:
        split = thinned(problem.task.measurement, seed=asked.seed)
        factor = width(_of_part(problem, asked, draw, split.kept, {}), split)
        words = f"{factor:.2f} times the samples', {THINNED}{lacks}; {KEPT_SHAPES}"
        return replace(_told(words)(posterior), width=factor)

    return widen


def _by_lines(problem: Problem, asked: Sampling, draw: Draw) -> tuple[Problem, Widen]:
    task = problem.task
    split = task.held_out_split()
    choice = task.sampler
    own = choice.candidate_options if problem.sampler.name == choice.name else ()
    candidates = [o for o in own if not o.keys() & asked.sampler_options.keys()]
    best, factor = best_options(
        candidates or [{}], lambda o: _of_part(problem, asked, draw, split.kept, o), split
    )
    task = task.with_facts({f"{key}, by held-out data": value for key, value in best.items()})
    told = _told(f"samples spread {factor:.2f} times as wide, as held-out data ask")
    problem = replace(problem, task=task, options={**problem.options, **best})
    return problem, lambda posterior: told(posterior.widened(factor))


def _of_part(
    problem: Problem, asked: Sampling, draw: Draw, kept: Measurement, options: Mapping[str, Any]
) -> Tensor:
    """A few samples of what was kept."""
    return draw(*_few(problem, asked, kept, options))


def _few(
    problem: Problem, asked: Sampling, kept: Measurement, options: Mapping[str, Any]
) -> tuple[Problem, Sampling]:
    """The problem of what was kept, for a few chains of another seed."""
    few = replace(asked, chains=min(CHAINS, asked.chains), seed=asked.seed + 1)
    part = replace(problem.task, measurement=kept)
    return replace(problem, task=part, options={**problem.options, **options}), few


def _told(words: str) -> Widen:
    def widen(posterior: Posterior) -> Posterior:
        return replace(posterior, provenance={**posterior.provenance, "intervals": words})

    return widen


def _plain(value: Any) -> Any:
    """As JSON holds it."""
    if isinstance(value, (bool, int, float, str, type(None))):
        return value
    return getattr(value, "__name__", str(value))
