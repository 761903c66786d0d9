"""What a folder of results holds beside its report: records, arrays, and the page."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ...plugins.discovery import catalog
from ...sampling.posterior import Posterior
from ..answers.answering import Answer
from ..problem import Problem, Settings
from ..task import Record, Sound
from . import display, png
from .facts import derivation
from .page import write_report
from .pictures import pictures, records_of


def plain(name: str) -> bool:
    """Whether every writer can hold it: a deviation and samples need one of floats."""
    return name != "std" and not name.startswith("sample-")


def write_arrays(folder: Path, posterior: Posterior, settings: Settings) -> None:
    """mean.npy; std.npy and std.png where there are chains to differ; samples.npy on request."""
    np.save(folder / "mean.npy", posterior.mean.numpy())
    if posterior.chains > 1:
        std = posterior.std
        np.save(folder / "std.npy", std.numpy())
        if std.ndim == 3:
            (folder / "std.png").write_bytes(png.encode(display.heat(std)[0]))
    if settings.outputs.samples:
        np.save(folder / "samples.npy", posterior.samples.numpy())


def named_records(found: Answer, settings: Settings, facts: Mapping[str, Any]) -> dict[str, Record]:
    """The records to write, by name: the mean, a baseline, and std and samples if the format can.

    Each is told how it was made.
    """
    named = {"restored": found.shown["mean"], **found.parts}
    if "baseline" in found.shown:
        named["baseline"] = found.shown["baseline"]
    if found.std is not None:
        named["std"] = found.std
    if settings.outputs.samples:
        named |= {f"sample-{i + 1}": record for i, record in enumerate(found.samples)}
    return told(found.problem, named, facts)


def told(
    problem: Problem, named: Mapping[str, Record], facts: Mapping[str, Any]
) -> dict[str, Record]:
    """Those records that the format can hold, each told how it was made."""
    made, every = derivation(facts), problem.writer.facts.get("std")
    return {
        name: replace(record, meta={**record.meta, "derivation": made})
        for name, record in named.items()
        if plain(name) or every
    }


def write_records(folder: Path, problem: Problem, named: Mapping[str, Record]) -> None:
    """Each as NAME.EXT, by the problem's writer."""
    write = catalog().load("writers", problem.writer.name)
    for name, record in named.items():
        write(record, folder / f"{name}{problem.format}")


def write_page(folder: Path, found: Answer, facts: Mapping[str, Any]) -> None:
    """report.html, for signals that can be seen."""
    problem, std = found.problem, {} if found.std is None else {"std": found.std}
    shown = {**found.shown, **found.parts, **std}
    names = {"mean": "restored"}
    records = records_of(problem, {names.get(name, name): r for name, r in shown.items()})
    seen = pictures(problem, records, found.samples, found.residual[0])
    if "input" not in seen or "restored" not in seen:
        return
    write_report(
        folder / "report.html",
        title=f"{problem.source.name}: {facts['recipe']}",
        pictures=seen,
        facts=facts,
        trace=found.trace.rows,
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
