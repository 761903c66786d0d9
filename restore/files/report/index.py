"""The contact sheet of a run over many files: index.html, with a link to each report."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..by_extension import read
from .display import shrink
from .page import THUMBNAIL, write_index


def write_sheet(
    out: Path, results: Sequence[tuple[Path, Mapping[str, Any] | str]], recipe: str
) -> None:
    """results: an input with its account, or with what was wrong with it."""
    rows = [_row(out, source, facts) for source, facts in results]
    write_index(out / "index.html", [row for row in rows if row], title=f"{recipe}: {out.name}")


def _row(out: Path, source: Path, facts: Mapping[str, Any] | str) -> dict[str, Any] | None:
    if isinstance(facts, str):
        return {"title": source.name, "error": facts}
    restored = Path(facts["output"])
    report = restored.parent / "report.html"
    if not report.exists():  # a signal that cannot be seen
        return None
    pictures = {"input": read(source).signal, "restored": read(restored).signal}
    shown = {key: facts[key] for key in ("chi_square", "seconds") if facts[key] is not None}
    return {
        "title": source.name,
        "report": report.relative_to(out).as_posix(),
        "pictures": {name: shrink(picture, THUMBNAIL) for name, picture in pictures.items()},
        "facts": {**shown, **facts["metrics"]["mean"]},
    }
