"""Answers on file beside their references: one file, or folders matched by name."""

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, NamedTuple

from ...errors import UsageError
from ...measurement.checks import sizes
from ...plugins.discovery import catalog
from ..by_extension import find, has_reader, read
from ..runs.inputs import input_files
from ..task import Record
from .figures import metrics_of

Figures = Mapping[str, float | None]


class Summary(NamedTuple):
    """One figure of merit over files."""

    mean: float
    standard_error: float | None  # None for one file
    files: int  # for which it is defined and finite


def answers(estimate: Path) -> list[Path]:
    """The files to judge: one, those of a folder, or `restored.*` of a run's output folder."""
    if not estimate.is_dir():
        return [estimate]
    made = [path for path in sorted(estimate.glob("*/restored.*")) if has_reader(path)]
    return made or input_files([str(estimate)], has_reader)


def reference_for(source: Path, given: Path) -> Path:
    """The file of a folder that has the source's stem, or is called as the folder it lies in.

    A file is itself. FileNotFoundError where the folder holds none.
    """
    if not given.is_dir():
        return given
    stems = _by_stem(given.absolute(), given.stat().st_mtime_ns)
    for stem in (source.stem, source.resolve().parent.name):
        if stem in stems:
            return given / stems[stem]
    raise FileNotFoundError(f"the folder {given} holds no reference for {source}")


@lru_cache(4)
def _by_stem(folder: Path, changed: int) -> dict[str, str]:
    """Stem -> name of the first of a folder's files that a reader takes; read once a change."""
    names = sorted(path.name for path in folder.iterdir() if path.is_file() and has_reader(path))
    return {Path(name).stem: name for name in reversed(names)}


def evaluate(
    estimate: Path, reference: Path, *, noisy: Path | None = None, domain: str | None = None
) -> Figures:
    """Name -> figure of one file beside its reference.

    reference, noisy: a file, or a folder that holds it. noisy: what the estimate was made of; the
    noise, noisy - reference, is what some metrics ask for. domain: the plugin whose metrics to
    use, by default the one that reads the reference. ValueError where the two cannot be compared;
    UsageError where the domain has no metrics.
    """
    truth_path = reference_for(estimate, reference)
    answer, truth = read(estimate), read(truth_path)
    _alike(answer, truth, estimate)
    known = {}
    if noisy is not None:
        measured = read(reference_for(estimate, noisy))
        _alike(measured, truth, measured.source)
        known["noise"] = measured.signal - truth.signal
    metrics = metrics_of(_domain(truth_path, domain), truth, **known)
    return {name: metric(answer.signal, truth.signal) for name, metric in metrics.items()}


def summary(rows: Sequence[Figures]) -> dict[str, Summary]:
    """Name -> mean and standard error over files; figures that are not finite do not count."""
    found = {}
    for name in dict.fromkeys(name for row in rows for name in row):
        values = [row[name] for row in rows if row.get(name) is not None]
        values = [value for value in values if math.isfinite(value)]
        if values:
            error = stdev(values) / len(values) ** 0.5 if len(values) > 1 else None
            found[name] = Summary(fmean(values), error, len(values))
    return found


def _alike(answer: Record, truth: Record, path: Any) -> None:
    if answer.signal.shape != truth.signal.shape:
        raise ValueError(
            f"{path} is {sizes(answer.signal.shape)}, "
            f"its reference {truth.source} {sizes(truth.signal.shape)}"
        )
    rates = [record.meta.get("rate") for record in (answer, truth)]
    if rates[0] != rates[1]:
        raise ValueError(f"{path} is at {rates[0]} Hz, its reference {truth.source} at {rates[1]}")


def _domain(reference: Path, asked: str | None) -> str:
    """The plugin whose metrics to use."""
    having = sorted({entry.plugin for entry in catalog().registry("metrics")})
    domain = asked or find("readers", reference, None).plugin
    if domain not in having:
        listed = ", ".join(having) or "no plugin"
        raise UsageError(f"'{domain}' has no metrics; {listed} have: choose one, --domain NAME")
    return domain
