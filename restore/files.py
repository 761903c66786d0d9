"""Files in, files out: read -> recipe -> sample -> present -> write, one input at a time."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from . import display, face, png
from .account import account, as_json, provenance
from .measurement import simulate
from .noise import Gaussian
from .outputs import REPORT, refuse_inputs, whole
from .plugins import catalog
from .posterior import Posterior
from .prior import Prior
from .problem import Problem, Settings, pose
from .reading import find, read, suffix
from .report import write_report
from .task import Recipe, Record
from .watchers import Trace

# (chains at once, step, total, {"sigma": ..., "chi_square": ...}), after every step
Progress = Callable[[int, int, int, Mapping[str, Any]], None]


def restore_file(
    source: Path,
    target: Path,
    settings: Settings,
    *,
    load_prior: Callable[[str], Prior] = face.load_prior,
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
    prior = load_prior(problem.prior)
    if say is not None:
        say(problem)
    trace = Trace(problem.task.measurement)
    watch = [trace]
    if progress is not None:
        watch.append(lambda step, i, total: progress(len(step.x), i, total, trace.rows[-1]))
    posterior = _sampled(problem, prior, settings, watch, checkpoint)
    output = target / f"restored{suffix(source)}"
    facts = account(problem, settings, posterior, output)
    with whole(target) as folder:
        restored = problem.task.present(posterior.mean)
        problem.writer(restored, folder / output.name)
        _write_arrays(folder, posterior, settings)
        write_json(folder / REPORT, {**facts, "trace": trace.rows})
        _write_page(folder, problem, posterior, restored, facts, trace)
    return facts


def simulate_file(source: Path, target: Path, settings: Settings) -> dict[str, Any]:
    """Degrade a clean file as the recipe's operator and white noise do; gives its account."""
    refuse_inputs(target, [source])
    entry = catalog().entry("recipes", settings.recipe)
    recipe: Recipe = catalog().load("recipes", settings.recipe)
    record = read(source, entry)
    operator = recipe.observe(record, **settings.options)
    measurement = simulate(operator, Gaussian(settings.noise), record.signal, seed=settings.seed)
    parts = []
    for name, part in recipe.degraded(record, operator, measurement.y[0]).items():
        path = Path(name if Path(name).suffix else f"{name}{suffix(source)}")
        writer = catalog().load("writers", find("writers", path, entry).name)
        parts.append((writer, part, path.name))
    facts = {
        "input": str(source),
        "output": [str(target / name) for _, _, name in parts],
        "recipe": settings.recipe,
        "operator": repr(operator),
        "noise": settings.noise,
        "seed": settings.seed,
        "provenance": provenance(source, settings),
    }
    with whole(target) as folder:
        for writer, part, name in parts:
            writer(part, folder / name)
        write_json(folder / REPORT, facts)
    return facts


def write_json(path: Path, facts: Mapping[str, Any]) -> None:
    path.write_text(as_json(facts, indent=2) + "\n")


def _sampled(
    problem: Problem, prior: Prior, settings: Settings, watch: list, checkpoint: Path | None
) -> Posterior:
    task = problem.task
    return face.sample(
        task.measurement,
        prior,
        problem.sampler,
        chains=settings.chains,
        steps=task.steps if settings.steps is None else settings.steps,
        seed=settings.seed,
        device=settings.device,
        precision=settings.precision,
        init=task.init,
        sigma_start=task.sigma_start,
        watch=watch,
        checkpoint=checkpoint,
        **problem.options,
    )


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


def _write_page(
    folder: Path,
    problem: Problem,
    posterior: Posterior,
    restored: Record,
    facts: Mapping[str, Any],
    trace: Trace,
) -> None:
    """report.html, for signals that can be seen."""
    if problem.record.signal.ndim != 3 or restored.signal.ndim != 3:
        return
    write_report(
        folder / "report.html",
        title=f"{problem.source.name}: {facts['recipe']}",
        pictures=_pictures(problem, posterior, restored),
        facts=facts,
        trace=trace.rows,
        command=facts["provenance"]["command"],
        metrics=facts["metrics"] if problem.reference is not None else None,
    )


def _pictures(problem: Problem, posterior: Posterior, restored: Record) -> dict[str, Tensor]:
    pictures = {"input": problem.record.signal, "restored": restored.signal}
    if posterior.chains > 1:
        pictures["std"] = posterior.std
    measurement = problem.task.measurement
    residual = measurement.residual(posterior.mean[None]) * measurement.measured
    pictures["residual"] = residual[0]
    pictures["sample"] = problem.task.present(posterior.samples[0]).signal
    if problem.reference is not None:
        pictures["reference"] = problem.reference.signal
    seen = pictures.items()
    return {name: x for name, x in seen if x.ndim == 3 and not x.is_complex() and len(x)}
