"""The contact sheet of a run over many files: index.html, with a link to each report."""

from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from ...plugins.discovery import catalog
from ...plugins.registry import Entry
from ..by_extension import read
from ..runs.ledger import DONE, FAILED, QUARANTINED, Merged
from .display import shrink
from .page import THUMBNAIL, write_index

SHOWN = 400  # inputs on a sheet; results.csv lists all


def write_contact_sheet(out: Path, merged: Merged, recipe: str) -> None:
    """Write index.html into the run's folder: each input beside what became of it.

    merged: the run's ledger. Of many inputs the first are shown, what failed before what is done.
    """
    entry, counts = catalog().entry("recipes", recipe), merged.counts()
    bad = list(islice(merged.settled(FAILED, QUARANTINED), SHOWN))
    done = islice(merged.settled(DONE), SHOWN - len(bad))
    failed = [{"title": Path(f["source"]).name, "error": f["reason"]} for _, f in bad]
    rows = [*failed, *filter(None, (_row(out / name, facts, entry) for name, facts in done))]
    write_index(
        out / "index.html",
        rows,
        title=f"{recipe}: {out.name}",
        done=counts[DONE],
        failed=counts[FAILED] + counts[QUARANTINED],
    )


def _row(folder: Path, line: Mapping[str, Any], recipe: Entry) -> dict[str, Any] | None:
    """A row of the sheet; None for a signal that cannot be seen."""
    source, facts = Path(line["source"]), line["facts"]
    report, restored = folder / "report.html", folder / Path(facts["output"]).name
    if not report.exists():
        return None
    pictures = {}
    if _is_picture(folder):
        paths = {"input": source, "restored": restored}
        pictures = {name: read(path, recipe).signal for name, path in paths.items()}
    shown = {key: facts[key] for key in ("chi_square", "seconds") if facts[key] is not None}
    return {
        "title": source.name,
        "report": f"{folder.name}/{report.name}",
        "pictures": {name: shrink(picture, THUMBNAIL) for name, picture in pictures.items()},
        "facts": {**shown, **facts["metrics"]["mean"]},
    }


def _is_picture(folder: Path) -> bool:
    """Whether what was restored there is one: volumes and recordings are not read for a sheet."""
    mean = folder / "mean.npy"
    return mean.exists() and np.load(mean, mmap_mode="r").ndim == 3
