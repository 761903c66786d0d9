"""restore evaluate: answers beside their references, by the metrics of their domain."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..program import raising, say
from ..wording import FAILURE, PARTIAL, ends_run, line, mistake

if TYPE_CHECKING:
    from ...files.merit.evaluating import Figures, Summary

PATH = click.Path(exists=True, path_type=Path)


@click.command()
@click.argument("estimate", type=PATH, metavar="PRED")
@click.argument("reference", type=PATH, metavar="REF")
@click.option("--noisy", type=PATH, help="What PRED was made of; metrics of the noise need it.")
@click.option("--domain", help="Whose metrics to use; else those of the plugin that reads REF.")
@click.option("as_json", "--json", is_flag=True, help="Print one JSON object a line.")
def evaluate(
    estimate: Path, reference: Path, noisy: Path | None, domain: str | None, as_json: bool
) -> int:
    """Measure answers against references, by all metrics of their domain.

    PRED, REF: two files, or folders whose files are matched by name; PRED may be the output folder
    of restore run. Printed are the figures of each file, then their mean and standard error. A dash
    is a figure that is not defined. A pair that cannot be compared is one line, and the others go
    on.
    """
    from ...files.merit.evaluating import answers, summary
    from ...files.merit.evaluating import evaluate as figures

    paths = answers(estimate)
    rows: dict[Path, Figures] = {}
    for path in paths:
        try:
            rows[path] = figures(path, reference, noisy=noisy, domain=domain)
        except Exception as error:
            if len(paths) == 1 or raising() or ends_run(error) or not mistake(error):
                raise
            words = line(error)
            say(words if str(path) in words else f"{path}: {words}")
            if as_json:
                _print_json({"input": str(path), "error": words})
    totals = summary(list(rows.values()))
    if as_json:
        for path, row in rows.items():
            _print_json({"input": str(path), "figures": row})
        _print_json({"summary": {name: total._asdict() for name, total in totals.items()}})
    elif rows:
        _print_table(rows, totals)
    if len(rows) == len(paths):
        return 0
    say(f"{len(paths) - len(rows)} of {len(paths)} files could not be evaluated")
    return PARTIAL if rows else FAILURE


def _print_json(facts: Mapping[str, Any]) -> None:
    from ...files.report.facts import as_json

    click.echo(as_json(facts))


def _print_table(rows: Mapping[Path, "Figures"], totals: Mapping[str, "Summary"]) -> None:
    names = list(dict.fromkeys(name for row in rows.values() for name in row))
    lines = [["", *names]]
    for path, label in zip(rows, _labels(list(rows))):
        lines.append([label, *(_number(rows[path].get(name)) for name in names)])
    if len(rows) > 1:
        shown = [totals.get(name) for name in names]
        lines.append(["mean", *(_number(one and one.mean) for one in shown)])
        lines.append(["standard error", *(_number(one and one.standard_error) for one in shown)])
        if any(one is not None and one.files < len(rows) for one in shown):
            lines.append(["files", *(str(one.files if one else 0) for one in shown)])
    widths = [max(map(len, column)) for column in zip(*lines)]
    for first, *cells in lines:
        right = (f"{cell:>{width}}" for cell, width in zip(cells, widths[1:]))
        click.echo("  ".join([f"{first:<{widths[0]}}", *right]))


def _labels(paths: Sequence[Path]) -> list[str]:
    """Names that tell the files apart: those of their folders, where a run called all alike."""
    names = [path.name for path in paths]
    return names if len(set(names)) == len(names) else [f"{p.parent.name}/{p.name}" for p in paths]


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if math.isfinite(value) else str(value)
