"""Files in, files out: read -> recipe -> sample -> present -> write, one input at a time."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from ..atomic import atomic_folder
from ..measurement.measurement import Measurement
from ..plugins.discovery import catalog
from ..priors.prior import Prior
from ..samplers.base import Step
from ..sampling import by_name
from ..sampling.held_out import CHAINS, best_options
from ..sampling.posterior import Posterior
from ..sampling.watchers import Trace, Watcher
from .coverage import predictive, sample_std
from .outputs import REPORT, refuse_inputs
from .problem import Problem, Settings, pose
from .report import display, png
from .report.facts import account, derivation, write_json
from .report.page import write_report
from .report.pictures import pictures
from .task import Record

# (chains at once, step, total, {"sigma": ..., "chi_square": ...}), after every step
Progress = Callable[[int, int, int, Mapping[str, Any]], None]


def restore_file(
    source: Path,
    target: Path,
    settings: Settings,
    *,
    load_prior: Callable[[str], Prior] = by_name.load_prior,
    checkpoint: Path | None = None,
    say: Callable[[Problem], None] | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Restore one file into the folder `target`, whole or not at all; gives its account.

    load_prior: a name or folder -> Prior; one that caches serves many files. checkpoint: where an
    interrupted run is saved and taken up. say: told of the problem before the long part.
    """
    refuse_inputs(target, [source])
    problem = pose(source, settings)
    prior = problem.task.adapt_prior(load_prior(problem.prior))
    if say is not None:
        say(problem)
    if problem.task.pose_with_prior is not None:
        problem = replace(problem, task=problem.task.pose_with_prior(prior))
    factor = None
    if settings.held_out and settings.chains > 1 and problem.task.held_out_split is not None:
        problem, factor = _held_out(problem, prior, settings, progress)
    trace, watch = _watched(problem.task.measurement, progress)
    posterior = _sampled(problem, prior, settings, watch, checkpoint)
    if factor is not None:
        posterior = posterior.widened(factor)
    present = problem.task.present
    samples = [present(x) for x in posterior.samples]
    shown = {"mean": present(posterior.mean), "sample": samples[0]}
    answers = {"predicted": posterior.samples}
    if settings.baseline is not None:
        baseline = problem.task.comparison.baselines[settings.baseline]()
        shown["baseline"] = present(baseline)
        answers["baseline predicted"] = baseline[None]
    draws = _draws(problem, answers)
    output = target / f"restored{problem.format}"
    facts = account(problem, settings, posterior, samples, shown, draws, output)
    if len(samples) > 1:
        std = sample_std([record.signal for record in samples])
        shown["std"] = replace(shown["mean"], signal=std, kind="std")
    with atomic_folder(target) as folder:
        _write_records(folder, problem, shown, samples if settings.samples else [], facts)
        _write_arrays(folder, posterior, settings)
        write_json(folder / REPORT, {**facts, "trace": trace.rows})
        _write_page(folder, problem, posterior, shown, facts, trace)
    return facts


def _draws(problem: Problem, answers: Mapping[str, Tensor]) -> dict[str, list[Record]]:
    """Of the task's own reference, by what it is predicted from, where it holds noise."""
    comparison = problem.task.comparison
    noisy_reference = comparison.noisy_reference
    if noisy_reference is None or problem.reference is not comparison.reference:
        return {}
    return {name: predictive(noisy_reference, signals) for name, signals in answers.items()}


def _watched(measurement: Measurement, progress: Progress | None) -> tuple[Trace, list[Watcher]]:
    """The trace of a run, and all that watches it."""
    trace = Trace(measurement)
    if progress is None:
        return trace, [trace]

    def tell(step: Step, index: int, total: int) -> None:
        progress(len(step.x), index, total, trace.rows[-1])

    return trace, [trace, tell]


def _sampled(
    problem: Problem, prior: Prior, settings: Settings, watch: list, checkpoint: Path | None
) -> Posterior:
    choice = problem.task.sampler
    steps = choice.steps if settings.steps is None else settings.steps
    own = choice.schedule if problem.sampler == choice.name else None
    return by_name.sample(
        problem.task.measurement,
        prior,
        problem.sampler,
        chains=settings.chains,
        **({"steps": steps} if own is None else {"sigmas": own(steps)}),
        seed=settings.seed,
        device=settings.device,
        precision=settings.precision,
        init=choice.init,
        sigma_start=choice.sigma_start,
        watch=watch,
        checkpoint=checkpoint,
        **problem.options,
    )


def _held_out(
    problem: Problem, prior: Prior, settings: Settings, progress: Progress | None
) -> tuple[Problem, float]:
    """The best options and the width, of runs on a part of the measurement against the rest."""
    task, split = problem.task, problem.task.held_out_split()
    few = replace(settings, chains=min(CHAINS, settings.chains), seed=settings.seed + 1)

    def samples(options: Mapping[str, Any]) -> Tensor:
        part = replace(problem.task, measurement=split.kept)
        tried = replace(problem, task=part, options={**problem.options, **options})
        return _sampled(tried, prior, few, _watched(split.kept, progress)[1], None).samples

    own = task.sampler.candidate_options if problem.sampler == task.sampler.name else ()
    candidates = [o for o in own if not o.keys() & settings.sampler_options.keys()]
    best, factor = best_options(candidates or [{}], samples, split)
    task = task.with_facts({f"{key}, by held-out data": value for key, value in best.items()})
    return replace(problem, task=task, options={**problem.options, **best}), factor


def _write_arrays(folder: Path, posterior: Posterior, settings: Settings) -> None:
    """mean.npy; std.npy and std.png where there are chains to differ; samples.npy on request."""
    np.save(folder / "mean.npy", posterior.mean.numpy())
    if posterior.chains > 1:
        std = posterior.std
        np.save(folder / "std.npy", std.numpy())
        if std.ndim == 3:
            (folder / "std.png").write_bytes(png.encode(display.heat(std)[0]))
    if settings.samples:
        np.save(folder / "samples.npy", posterior.samples.numpy())


def _write_records(
    folder: Path,
    problem: Problem,
    shown: Mapping[str, Record],
    samples: Sequence[Record],
    facts: Mapping[str, Any],
) -> None:
    """What is restored, in its format; with it the baseline, and the std where the format can."""
    write = catalog().load("writers", problem.writer.name)
    named = {"restored": shown["mean"]}
    if "baseline" in shown:
        named["baseline"] = shown["baseline"]
    if problem.writer.facts.get("std"):
        if "std" in shown:
            named["std"] = shown["std"]
        named |= {f"sample-{i + 1}": record for i, record in enumerate(samples)}
    made = derivation(facts)
    for name, record in named.items():
        write(
            replace(record, meta={**record.meta, "derivation": made}),
            folder / f"{name}{problem.format}",
        )


def _write_page(
    folder: Path,
    problem: Problem,
    posterior: Posterior,
    shown: Mapping[str, Record],
    facts: Mapping[str, Any],
    trace: Trace,
) -> None:
    """report.html, for signals that can be seen."""
    names = {"mean": "restored"}
    records = {names.get(name, name): record for name, record in shown.items()}
    measurement = problem.task.measurement
    residual = measurement.residual(posterior.mean[None]) * measurement.measured
    seen = pictures(problem, records, residual[0])
    if "input" not in seen or "restored" not in seen:
        return
    write_report(
        folder / "report.html",
        title=f"{problem.source.name}: {facts['recipe']}",
        pictures=seen,
        facts=facts,
        trace=trace.rows,
        command=facts["provenance"]["command"],
        metrics=facts["metrics"] if problem.reference is not None else None,
    )
