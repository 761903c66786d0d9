"""Where results go: a folder for each input, named after it, and never one that holds an input."""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from ...errors import RestoreError

REPORT = "report.json"
RESERVED = {"index.html", "results.csv"}  # of the run's own summary
LONGEST = (
    200  # bytes of a folder's name: file systems hold 255, and ours have ends such as .partial
)


@dataclass(frozen=True)
class Outcome:
    """What became of one input of a run: the facts of its report, or the error that it met."""

    source: Path
    facts: Mapping[str, Any] = field(default_factory=dict)
    error: RestoreError | None = None  # says in one line what was wrong, and with which input


def folder_names(sources: Sequence[Path], known: Mapping[str, str] | None = None) -> list[str]:
    """A folder name for each source: its stem, with as much of its path as tells it apart.

    known: absolute path -> the name that a source has had before, and keeps; another source gets
    it only where that one is gone.
    """
    places = [os.path.abspath(source) for source in sources]
    here = set(places)
    kept = {p: n for p, n in (known or {}).items() if p in here or os.path.exists(p)}
    taken = {name.casefold() for name in kept.values()}
    styles = _styles()

    @cache
    def counts(style: int) -> Counter[str]:
        return Counter(styles[style](source).casefold() for source in sources)

    def shortest(source: Path, number: int) -> str:
        for index, style in enumerate(styles):
            name = style(source)
            if counts(index)[name.casefold()] == 1 and name.casefold() not in taken:
                return name
        return _numbered(name, number, taken)

    names = []
    for number, (source, place) in enumerate(zip(sources, places), 1):
        names.append(kept.get(place) or shortest(source, number))
        taken.add(names[-1].casefold())
    return names


def _styles() -> list[Callable[[Path], str]]:
    """What a source may be called, the shortest first."""

    @cache
    def parent(folder: Path) -> str:
        return _resolved(folder).name

    return [
        lambda p: plain_name(p.stem),
        lambda p: plain_name(p.name),
        lambda p: plain_name(f"{parent(p.parent)}-{p.stem}"),
        lambda p: plain_name(f"{parent(p.parent)}-{p.name}"),
    ]


def _numbered(name: str, number: int, taken: Collection[str]) -> str:
    while f"{name}-{number}".casefold() in taken:
        number += 1
    return f"{name}-{number}"


def plain_name(name: str) -> str:
    """A name that a folder may have anywhere: never ".", ".." or hidden, in UTF-8, not too long.

    A long one ends in a part of its checksum; the names of what lies beside it get a "_".
    """
    raw = os.fsencode(name)
    plain = raw.decode("utf-8", "replace")
    if plain.startswith("."):
        plain = "_" + plain[1:].lstrip(".")
    if plain.casefold() in RESERVED:
        plain += "_"
    if len(plain.encode()) > LONGEST:
        kept = plain.encode()[: LONGEST - 9].decode("utf-8", "ignore")
        plain = f"{kept}-{hashlib.sha256(raw).hexdigest()[:8]}"
    return plain


def _resolved(path: Path) -> Path:
    """The path without links; where they lead into a circle, as it is."""
    try:
        return path.resolve()
    except (OSError, RuntimeError):  # Python's word for a circle, before 3.13
        return path.absolute()


def refuse_inputs(folder: Path, sources: Iterable[Path]) -> None:
    """ValueError where the output folder is an input, or one that an input lies in."""
    place = _resolved(folder)
    for source in sources:
        path = _resolved(source)
        if place == path or place in path.parents:
            raise ValueError(f"the input {source} lies in the output {folder}; choose another")


def report_of(target: Path) -> dict[str, Any] | None:
    """The report of a target that was made whole; None where there is none, or a damaged one."""
    try:
        facts = json.loads((target / REPORT).read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    return facts if isinstance(facts, dict) else None


def sha256(path: Path) -> str:
    """The hash of a file's bytes; that of a folder is of its files' hashes, in order of name."""
    if path.is_dir():
        inside = sorted(p for p in path.iterdir() if p.is_file() and p.name[0] != ".")
        sums = "".join(f"{sha256(p)} {p.name}\n" for p in inside)
        return hashlib.sha256(sums.encode()).hexdigest()
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
