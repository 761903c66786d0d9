"""Where results go: a folder for each input, whole or not at all; and how a run is gone on with."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..atomic import PARTIAL, write_text
from ..errors import RestoreError

UNFINISHED = ".restore-unfinished"  # lies in the output folder from a run's first to its last file
REPORT = "report.json"
RESERVED = {"index.html", "index.json"}  # of the run's own summary
LONGEST = (
    200  # bytes of a folder's name: file systems hold 255, and ours have ends such as .partial
)


@dataclass(frozen=True)
class Outcome:
    """What became of one input of a run: the facts of its report, or the error that it met."""

    source: Path
    facts: Mapping[str, Any] = field(default_factory=dict)
    error: RestoreError | None = None  # says in one line what was wrong, and with which input


def folder_names(sources: Sequence[Path]) -> list[str]:
    """A folder name for each source: its stem, with as much of its path as tells it apart."""
    styles = (
        lambda p: plain_name(p.stem),
        lambda p: plain_name(p.name),
        lambda p: plain_name(f"{_resolved(p.parent).name}-{p.stem}"),
        lambda p: plain_name(f"{_resolved(p.parent).name}-{p.name}"),
    )
    chosen: dict[str, str] = {}
    for index, source in enumerate(sources):
        options = [style(source) for style in styles]
        alone = [
            name
            for style, name in zip(styles, options)
            if sum(_same(style(other), name) for other in sources) == 1
            and name.casefold() not in chosen
        ]
        name = alone[0] if alone else f"{options[-1]}-{index + 1}"
        chosen[name.casefold()] = name
    return list(chosen.values())


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


def claim(folder: Path, mark: str, sources: Iterable[Path], *, overwrite: bool) -> bool:
    """Make the folder this run's; whether it goes on with an interrupted run of the same mark.

    Raises ValueError where the output would be an input, FileExistsError where files lie there
    already and `overwrite` is not given.
    """
    refuse_inputs(folder, sources)
    if folder.exists() and not folder.is_dir():
        raise FileExistsError(f"{folder} is a file; give a folder to write to")
    held = any(folder.iterdir()) if folder.exists() else False
    marker = folder / UNFINISHED
    before = json.loads(marker.read_text()) if marker.exists() else None
    if before is not None and before["mark"] == mark:
        return True
    if held and not overwrite:
        whose = " of an interrupted run with other settings" if before else ""
        raise FileExistsError(
            f"{folder} holds files already{whose}; choose another folder, or add --overwrite"
        )
    made = before["made"] if before is not None else not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    for left in (*folder.glob(".*.checkpoint*"), *folder.glob(f".*{PARTIAL}")):
        shutil.rmtree(left) if left.is_dir() else left.unlink()
    write_text(marker, json.dumps({"mark": mark, "made": made}))
    return False


def refuse_inputs(folder: Path, sources: Iterable[Path]) -> None:
    """ValueError where the output folder is an input, or one that an input lies in."""
    place = _resolved(folder)
    for source in sources:
        path = _resolved(source)
        if place == path or place in path.parents:
            raise ValueError(f"the input {source} lies in the output {folder}; choose another")


def release(folder: Path, *, finished: bool) -> None:
    """The end of a run: what is unfinished stays marked, unless nothing of it was kept."""
    marker = folder / UNFINISHED
    for torn in folder.glob(f".*.checkpoint{PARTIAL}"):  # a state that the disk had no room for
        torn.unlink()
    kept = any(path != marker for path in folder.iterdir())
    made = json.loads(marker.read_text())["made"]
    if finished or not kept:
        marker.unlink()
    if made and not kept:
        folder.rmdir()


def finished(target: Path, mark: str, source: Path) -> dict[str, Any] | None:
    """The report of a target that was made whole from this very input with these settings."""
    report = target / REPORT
    if not report.exists():
        return None
    facts = json.loads(report.read_text())
    made = facts.get("provenance", {})
    same = made.get("mark") == mark and made.get("input_sha256") == sha256(source)
    return facts if same else None


def sha256(path: Path) -> str:
    """The hash of a file's bytes; that of a folder is of its files' hashes, in order of name."""
    if path.is_dir():
        inside = sorted(p for p in path.iterdir() if p.is_file() and p.name[0] != ".")
        sums = "".join(f"{sha256(p)} {p.name}\n" for p in inside)
        return hashlib.sha256(sums.encode()).hexdigest()
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _same(one: str, other: str) -> bool:
    return one.casefold() == other.casefold()
