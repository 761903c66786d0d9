"""The contact sheet of a run over many files: index.html, with a link to each report."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...plugins.discovery import catalog
from ...plugins.registry import Entry
from ..by_extension import read
from ..outputs import Outcome
from .display import shrink
from .page import THUMBNAIL, write_index


def write_contact_sheet(out: Path, outcomes: Sequence[Outcome], recipe: str) -> None:
    """Write index.html into the run's folder: each input beside what became of it."""
    entry = catalog().entry("recipes", recipe)
    rows = [_row(out, outcome, entry) for outcome in outcomes]
    write_index(out / "index.html", [row for row in rows if row], title=f"{recipe}: {out.name}")


def _row(out: Path, outcome: Outcome, recipe: Entry) -> dict[str, Any] | None:
    """A row of the sheet; None for a signal that cannot be seen."""
    source, facts = outcome.source, outcome.facts
    if outcome.error is not None:
        return {"title": source.name, "error": str(outcome.error)}
    restored = Path(facts["output"])
    report = restored.parent / "report.html"
    if not report.exists():
        return None
    pictures = {}
    if _is_picture(restored.parent):
        pictures = {
            n: read(p, recipe).signal for n, p in (("input", source), ("restored", restored))
        }
    shown = {key: facts[key] for key in ("chi_square", "seconds") if facts[key] is not None}
    return {
        "title": source.name,
        "report": report.relative_to(out).as_posix(),
        "pictures": {name: shrink(picture, THUMBNAIL) for name, picture in pictures.items()},
        "facts": {**shown, **facts["metrics"]["mean"]},
    }


def _is_picture(folder: Path) -> bool:
    """Whether what was restored there is one: volumes and recordings are not read for a sheet."""
    mean = folder / "mean.npy"
    return mean.exists() and np.load(mean, mmap_mode="r").ndim == 3
