"""A function's options as they were the last time that it was imported, until its source changes.

A recipe imports torch, which takes seconds; its flags are data, and are kept beside the store of
priors for the next call of the command line.
"""

import importlib.util
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..atomic import write_text
from . import store
from .options import PLAIN, Option, options_of, prose
from .registry import Entry

KINDS = {kind.__name__: kind for kind in PLAIN}


@dataclass(frozen=True)
class Described:
    """What a function's flags are made of."""

    options: Mapping[str, Option]
    prose: str


def described(
    entry: Entry, what: Sequence[str], load: Callable[[], Callable[..., Any]]
) -> Described:
    """The options of a function of a registered thing, by what was kept of it or by `load`.

    what: tells one function of the entry from another.
    """
    module = entry.target.partition(":")[0]
    if module in sys.modules:  # as it is now: a program may have changed it
        return _of(load())
    path = store.home().parent / "options" / f"{entry.name}-{'-'.join(what)}.json"
    mark = [entry.target, sys.version, _stamp(module), _stamp(__name__.partition(".")[0])]
    kept = _read(path, mark)
    if kept is not None:
        return kept
    found = _of(load())
    _keep(path, mark, found)
    return found


def _of(function: Callable[..., Any]) -> Described:
    options = {name: replace(each, kinds=()) for name, each in options_of(function).items()}
    return Described(options, prose(function))  # kinds: for values of Python, not of text


def _stamp(module: str) -> list:
    """Name, size and time of the source files of a module's package; nothing is imported."""
    try:
        spec = importlib.util.find_spec(module.partition(".")[0])
    except (ImportError, ValueError):
        return []
    places = (spec.submodule_search_locations or []) if spec is not None else []
    files = [path for place in places for path in sorted(Path(place).rglob("*.py"))]
    if spec is not None and not files and spec.origin is not None:
        files = [Path(spec.origin)]
    states = [(path, path.stat()) for path in files if path.exists()]
    return [[str(path), state.st_size, state.st_mtime_ns] for path, state in states]


def _keep(path: Path, mark: list, found: Described) -> None:
    options = [{**vars(each), "type": each.type.__name__} for each in found.options.values()]
    try:
        text = json.dumps({"mark": mark, "options": options, "prose": found.prose})
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, text + "\n")
    except (TypeError, OSError):  # a default that is no text, a home that cannot be written to
        return


def _read(path: Path, mark: list) -> Described | None:
    """What was kept of a source that is still the same; None where there is none, or damage."""
    try:
        kept = json.loads(path.read_text("utf-8"))
        if kept["mark"] != mark:
            return None
        options = [Option(**{**each, **_typed(each)}) for each in kept["options"]]
        return Described({each.name: each for each in options}, str(kept["prose"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _typed(kept: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": KINDS[kept["type"]], "choices": tuple(kept["choices"]), "kinds": ()}
