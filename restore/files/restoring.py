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
from ..sampling.devices import usable
from ..sampling.held_out import CHAINS, best_options
from ..sampling.posterior import Posterior
from ..sampling.watchers import Trace, Watcher
from .coverage import predictive, sample_std
from .outputs import REPORT, refuse_inputs
from .problem import Problem, Sampling, Settings, pose
from .report import display, png
from .report.facts import account, derivation, write_json
from .report.page import write_report
from .report.pictures import pictures, records_of
from .task import Record, Sound

# (chains at once, step, total, {"sigma": ..., "chi_square": ...}), after every step
Progress = Callable[[int, int, int, Mapping[str, Any]], None]


def restore_file(
    source: Path,
    target: Path,
    settings: Settings,
    *,
    load_prior: Callable[..., Prior] = by_name.load_prior,
    checkpoint: Path | None = None,
    say: Callable[[Problem], None] | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Restore one file into the folder `target`, whole or not at all; gives its account.

    load_prior: a name or folder, and conditions -> Prior; one that caches serves many files.
    checkpoint: where an interrupted run is saved and taken up. say: told of the problem before the
    long part.
    """
    refuse_inputs(target, [source])
    settings = settings.on(usable(settings.sampling.device))
    problem = pose(source, settings, load_prior)
    if say is not None:
        say(problem)
    if problem.task.pose_with_prior is not None:
        problem = replace(problem, task=problem.task.pose_with_prior(problem.prior))
    problem = _begun(problem)
    sampling = settings.sampling.on(problem.task.sampler)
    problem, factor = _calibrated(problem, sampling, progress)
    trace, watch = _watched(problem.task.measurement, progress)
    posterior = _sampled(problem, sampling, watch, checkpoint)
    if factor is not None:
        posterior = posterior.widened(factor)
    samples = [problem.task.present(x) for x in posterior.samples]
    shown, draws = _shown(problem, posterior, samples, settings.outputs.baseline)
    output = target / f"restored{problem.format}"
    facts = account(problem, settings, posterior, samples, shown, draws, output)
    if len(samples) > 1:
        std = sample_std([record.signal for record in samples])
        shown["std"] = replace(shown["mean"], signal=std, kind="std")
    with atomic_folder(target) as folder:
        _write_records(folder, problem, shown, samples if settings.outputs.samples else [], facts)
        _write_arrays(folder, posterior, settings)
        write_json(folder / REPORT, {**facts, "trace": trace.rows})
        _write_page(folder, problem, posterior, shown, samples, facts, trace)
    return facts


def _begun(problem: Problem) -> Problem:
    """The problem with a classical answer to begin from, where its prior does not reach noise.

    Where the recipe has none to offer the run begins from noise, and the report says so.
    """
    task, prior = problem.task, problem.prior
    if prior.reaches_noise or task.sampler.init is not None:
        return problem
    level, baselines = f"noise of {prior.sigma_max:.3g}", task.comparison.baselines
    if not baselines:
        began = f"{level}, where signals still show: there is no classical answer to begin from"
        return replace(problem, task=task.with_facts({"begun from": began}))
    name = "tv" if "tv" in baselines else next(iter(baselines))
    warm = {"init": baselines[name](), "sigma_start": prior.sigma_max}
    began = f"{name} with {level}, the most that the prior was trained for"
    task = replace(task, sampler=replace(task.sampler, **warm)).with_facts({"begun from": began})
    return replace(problem, task=task)


def _shown(
    problem: Problem, posterior: Posterior, samples: Sequence[Record], baseline: str | None
) -> tuple[dict[str, Record], dict[str, list[Record]]]:
    """What a file would hold of "mean", "sample", "baseline"; and draws of a noisy reference."""
    shown = {"mean": problem.task.present(posterior.mean), "sample": samples[0]}
    answers = {"predicted": posterior.samples}
    if baseline is not None:
        signal = problem.task.comparison.baselines[baseline]()
        shown["baseline"] = problem.task.present(signal)
        answers["baseline predicted"] = signal[None]
    return shown, _draws(problem, answers)


def _draws(problem: Problem, answers: Mapping[str, Tensor]) -> dict[str, list[Record]]:
    """Draws of the task's own reference, by what predicts them; none where it holds no noise."""
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

    def report_step(step: Step, index: int, total: int) -> None:
        progress(len(step.x), index, total, trace.rows[-1])

    return trace, [trace, report_step]


def _sampled(
    problem: Problem, asked: Sampling, watch: list[Watcher], checkpoint: Path | None
) -> Posterior:
    choice, steps = problem.task.sampler, asked.steps
    own = choice.schedule if problem.sampler.name == choice.name else None
    return by_name.sample(
        problem.task.measurement,
        problem.prior,
        problem.sampler.sampler,
        chains=asked.chains,
        **({"steps": steps} if own is None else {"sigmas": own(steps)}),
        seed=asked.seed,
        device=asked.device,
        precision=asked.precision,
        init=choice.init,
        sigma_start=choice.sigma_start,
        watch=watch,
        checkpoint=checkpoint,
        **problem.options,
    )


def _calibrated(
    problem: Problem, asked: Sampling, progress: Progress | None
) -> tuple[Problem, float | None]:
    """The problem with the options that predict held-out data best, and the width that they tell.

    The width is None where nothing is held out: by the user's wish, for a single chain, or for want
    of a task that can.
    """
    task = problem.task
    if not asked.held_out or asked.chains < 2 or task.held_out_split is None:
        return problem, None
    split = task.held_out_split()
    few = replace(asked, chains=min(CHAINS, asked.chains), seed=asked.seed + 1)

    def samples(options: Mapping[str, Any]) -> Tensor:
        part = replace(problem.task, measurement=split.kept)
        tried = replace(problem, task=part, options={**problem.options, **options})
        return _sampled(tried, few, _watched(split.kept, progress)[1], None).samples

    choice = task.sampler
    own = choice.candidate_options if problem.sampler.name == choice.name else ()
    candidates = [o for o in own if not o.keys() & asked.sampler_options.keys()]
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
    if settings.outputs.samples:
        np.save(folder / "samples.npy", posterior.samples.numpy())


def _write_records(
    folder: Path,
    problem: Problem,
    shown: Mapping[str, Record],
    samples: Sequence[Record],
    facts: Mapping[str, Any],
) -> None:
    """Write the mean in its format; with it the baseline, and the std where the format can."""
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
    samples: Sequence[Record],
    facts: Mapping[str, Any],
    trace: Trace,
) -> None:
    """report.html, for signals that can be seen."""
    names = {"mean": "restored"}
    records = records_of(problem, {names.get(name, name): r for name, r in shown.items()})
    measurement = problem.task.measurement
    residual = measurement.residual(posterior.mean[None]) * measurement.measured_mask
    seen = pictures(problem, records, samples, residual[0])
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
        sounds=_sounds(problem, records),
    )


def _sounds(problem: Problem, records: Mapping[str, Record]) -> dict[str, Sound]:
    """What can be listened to, by name; none where the recipe's signals are no sounds."""
    sound = problem.task.comparison.sound
    if sound is None:
        return {}
    return {name: sound(record) for name, record in records.items() if record.kind != "std"}
