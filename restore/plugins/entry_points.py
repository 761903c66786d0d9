"""The entry points of a group, whatever else is installed: one broken file harms no other."""

import importlib.metadata
from collections.abc import Iterator

from .requirement import normal_name


def entry_points_of(group: str) -> tuple[list[importlib.metadata.EntryPoint], dict[str, str]]:
    """All entry points of a group, and what is wrong with distributions that cannot be read.

    The second, name -> words, has only those whose broken entry_points.txt speaks of the group.
    """
    try:
        return list(importlib.metadata.entry_points(group=group)), {}
    except Exception:  # a stranger's file is malformed, and importlib reads them all at once
        return _one_by_one(group)


def _one_by_one(group: str) -> tuple[list[importlib.metadata.EntryPoint], dict[str, str]]:
    points: list[importlib.metadata.EntryPoint] = []
    broken: dict[str, str] = {}
    for name, distribution in _distributions():
        try:
            points += distribution.entry_points.select(group=group)
        except Exception as error:
            if _speaks_of(distribution, group):
                broken[name] = f"its entry_points.txt is malformed ({type(error).__name__})"
    return points, broken


def _distributions() -> Iterator[tuple[str, importlib.metadata.Distribution]]:
    """Each with its name, once; of several of a name the first on the path is the one in use."""
    seen = set()
    for distribution in importlib.metadata.distributions():
        name = name_of(distribution)
        if name and normal_name(name) not in seen:
            seen.add(normal_name(name))
            yield name, distribution


def name_of(distribution: importlib.metadata.Distribution | None) -> str:
    """The name that its metadata gives; "" where there is none, or nothing to read."""
    try:
        return str(distribution.metadata["Name"] or "") if distribution is not None else ""
    except Exception:
        return ""


def _speaks_of(distribution: importlib.metadata.Distribution, group: str) -> bool:
    mark = f"[{group}]"
    try:
        return mark in (distribution.read_text("entry_points.txt") or "")
    except UnicodeDecodeError as error:
        return mark.encode() in error.object
    except Exception:  # not even that
        return False
