"""The results of a run as a table: a row for each input, as spreadsheets and scripts read it."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...atomic import atomic_path
from .ledger import Merged

COLUMNS = (
    "name", "input", "state", "reason", "output", "recipe", "prior", "sampler", "chains", "steps",
    "seed", "noise", "seconds", "chi_square",
)  # fmt: skip


def write_table(path: Path, merged: Merged) -> None:
    """Write a CSV file of all that is settled: COLUMNS, then the metrics of the mean by name."""
    metrics: dict[str, None] = {}
    for _, line in merged.settled():
        metrics.update(dict.fromkeys(_metrics(line)))
    how = {"newline": "", "encoding": "utf-8", "errors": "replace"}
    with atomic_path(path) as partial, open(partial, "w", **how) as file:
        writer = csv.DictWriter(file, [*COLUMNS, *metrics])
        writer.writeheader()
        for name, line in merged.settled():
            facts = line.get("facts", {})
            row = {key: facts.get(key) for key in COLUMNS}
            row |= {"name": name, "input": line["source"], "state": line["event"]}
            row |= {"reason": line.get("reason"), **_metrics(line)}
            writer.writerow(row)


def _metrics(line: Mapping[str, Any]) -> Mapping[str, Any]:
    return line.get("facts", {}).get("metrics", {}).get("mean", {})
