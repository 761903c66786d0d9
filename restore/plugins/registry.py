"""Named things: no two share a name, and a wrong name is answered with the nearest right one."""

import difflib
import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .facts import checked


@dataclass(frozen=True)
class Entry:
    """One registered thing: data only, until load() imports it."""

    kind: str  # "operator", "prior", ...
    name: str
    target: str  # "package.module:attribute"
    summary: str
    plugin: str  # who registered it
    facts: Mapping[str, Any] = field(default_factory=dict)

    def load(self) -> Any:
        """The object itself; imports its module now."""
        module, _, attribute = self.target.partition(":")
        return getattr(importlib.import_module(module), attribute)


class Registry:
    """The entries of one kind, by name."""

    def __init__(self, kind: str):
        self.kind = kind
        self._entries: dict[str, Entry] = {}

    def add(self, plugin: str, name: str, target: str, *, summary: str, **facts: Any) -> None:
        """Raises ValueError for a name that is taken, and for what `facts` refuses."""
        checked(self.kind, name, target, summary, facts)
        same = (entry for entry in self if entry.name.casefold() == name.casefold())
        if (taken := next(same, None)) is not None:
            raise ValueError(
                f"the {self.kind} '{taken.name}' is registered already, by {taken.plugin}"
            )
        self._entries[name] = Entry(self.kind, name, target, summary, plugin, facts)

    def drop(self, plugin: str) -> None:
        """Take back all that one plugin registered."""
        kept = {name: entry for name, entry in self._entries.items() if entry.plugin != plugin}
        self._entries = kept

    def __getitem__(self, name: str) -> Entry:
        if name in self._entries:
            return self._entries[name]
        raise KeyError(unknown(self.kind, name, self._entries))

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)


def unknown(kind: str, name: str, known: Any) -> str:
    """no sampler is called 'dsp'; did you mean 'dps'?"""
    near = difflib.get_close_matches(name, list(known), 3, cutoff=0.5)
    if near:  # letters that changed places come before others that are as near
        best = min(near, key=lambda other: sorted(other) != sorted(name))
        return f"no {kind} is called '{name}'; did you mean '{best}'?"
    listed = ", ".join(sorted(known)) or "none"
    return f"no {kind} is called '{name}'; there are: {listed}"
