"""The ledger of a run: what became of each input, a line of JSON for each event.

Each process appends to a file of its own, so that nothing is shared and nothing locked, on network
drives too; whoever wants to know merges them. A line that was cut off is passed over.
"""

import json
import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BEGUN, CLAIMED, RELEASED = "begun", "claimed", "released"
DONE, FAILED, CRASHED, QUARANTINED = "done", "failed", "crashed", "quarantined"
SETTLED = (DONE, FAILED, QUARANTINED)
CRASHES = 2  # of its worker, after which an input is not tried again
ENDING = ".jsonl"
UNHEARD = tuple(f'{{"event": "{event}"'.encode() for event in (CLAIMED, RELEASED))


class Ledger:
    """The events of one process, appended to a file of its own, which is made with the first."""

    def __init__(self, folder: Path, worker: str, mark: str):
        self.path, self.mark = folder / f"{worker}{ENDING}", mark
        self.handle: int | None = None

    def append(self, event: str, **facts: Any) -> None:
        """Write an event; DONE and its like are on disk when it returns. OSError where it cannot.

        A line is written at once, so that a process that is killed leaves it whole, or cut off.
        """
        if self.handle is None:
            self.handle = os.open(self.path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o666)
            self.append(BEGUN, mark=self.mark, worker=self.path.stem)
        line = {"event": event, "time": round(time.time(), 3), **facts}
        try:
            os.write(self.handle, json.dumps(line, default=str).encode() + b"\n")
            if event in SETTLED or event == CRASHED:
                os.fsync(self.handle)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self.path)) from None

    def present(self) -> bool:
        """Whether it can be written to: the output folder may be removed under way."""
        if self.handle is None:
            return self.path.parent.is_dir()
        return os.fstat(self.handle).st_nlink > 0

    def close(self) -> None:
        if self.handle is not None:
            os.close(self.handle)
            self.handle = None


@dataclass(slots=True)
class Entry:
    """What is known of one input: the event that settled it, and where its line stands."""

    state: str = ""  # of SETTLED; "" where it was only tried
    time: float = 0.0
    crashes: int = 0
    seconds: float = 0.0
    file: str = ""
    start: int = 0
    length: int = 0


class Merged:
    """All ledgers of a run, merged; `refresh` reads what was appended since.

    mark: of the run; what another run left is passed over. places: whether to keep the absolute
    path of each source, as `named`; heard: whether to gather the names that are settled, as `news`.
    """

    def __init__(self, folder: Path, mark: str, *, places: bool = False, heard: bool = False):
        self.heard = heard
        self.folder, self.mark = folder, mark
        self.entries: dict[str, Entry] = {}
        self.named: dict[str, str] | None = {} if places else None
        self.begun: list[dict[str, Any]] = []
        self.news: list[str] = []  # names that were settled, for whoever empties it
        self.damaged = 0  # lines that are no events, although another follows
        self._read: dict[str, int] = {}  # bytes of each file; -1: of another run
        self.refresh()

    def refresh(self) -> None:
        """Read on, where files grew."""
        try:
            names = os.listdir(self.folder)
        except (FileNotFoundError, NotADirectoryError):
            return
        for name in names:
            if name.endswith(ENDING) and self._read.get(name, 0) >= 0:
                self._read_on(name)

    def get(self, name: str) -> Entry:
        return self.entries.get(name) or Entry()

    def facts(self, name: str) -> dict[str, Any]:
        """The event that settled a name, as it was written."""
        entry = self.entries[name]
        with open(self.folder / entry.file, "rb") as file:
            file.seek(entry.start)
            return json.loads(file.read(entry.length))

    def counts(self) -> dict[str, int]:
        """How many are done, failed, quarantined."""
        found = Counter(entry.state for entry in self.entries.values())
        return {state: found[state] for state in SETTLED}

    def settled_names(self) -> set[str]:
        return {name for name, entry in self.entries.items() if entry.state}

    def settled(self, *states: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """(name, the event that settled it) of all in these states, in order of name."""
        for name in sorted(self.entries):
            if self.entries[name].state in (states or SETTLED):
                yield name, self.facts(name)

    def _read_on(self, name: str) -> None:
        start = self._read.get(name, 0)
        with open(self.folder / name, "rb") as file:
            first = file.readline() if start == 0 else b""
            if first and not self._ours(first):
                self._read[name] = -1 if first.endswith(b"\n") else 0
                return
            file.seek(start)
            for line in file:
                if not line.endswith(b"\n"):
                    break  # being written, or cut off
                self._take_in(line, name, start)
                start += len(line)
        self._read[name] = start

    def _ours(self, first: bytes) -> bool:
        try:
            return json.loads(first)["mark"] == self.mark
        except (ValueError, KeyError, TypeError):
            return False

    def _take_in(self, line: bytes, file: str, start: int) -> None:
        if line.startswith(UNHEARD):
            return
        try:
            event = json.loads(line)
            kind = event["event"]
            if kind == BEGUN:
                self.begun.append(event)
            else:
                self._count(event, (file, start, len(line)))
                if self.named is not None:
                    self.named[event["source"]] = event["name"]
        except (ValueError, KeyError, TypeError):
            self.damaged += 1

    def _count(self, event: Mapping[str, Any], where: tuple[str, int, int]) -> None:
        name, kind, moment = event["name"], event["event"], float(event["time"])
        entry = self.entries.setdefault(name, Entry())
        if kind == CRASHED:
            entry.crashes += 1
        elif kind in SETTLED and moment >= entry.time:
            entry.state, entry.time, entry.seconds = kind, moment, event.get("seconds", 0.0)
            entry.file, entry.start, entry.length = where
            if self.heard:
                self.news.append(name)
