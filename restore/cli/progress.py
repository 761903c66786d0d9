"""How far a run has come: a live line on a terminal, plain lines elsewhere, all on stderr."""

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

LINES = 10  # of plain progress in a run
EVERY = 10.0  # seconds between two looks at what others have done
NONE: Mapping[str, Any] = {}


class Pace:
    """Steps done and to do over all chunks of the chains, and the time left at the speed so far."""

    def __init__(self, chains: int | None):
        self.chains, self.chunk, self.index = chains, 0, -1
        self.rows, self.begun = 0, (0.0, 0)

    def at(
        self, rows: int, index: int, total: int, facts: Mapping[str, Any] = NONE
    ) -> tuple[int, int, float | None]:
        """(steps done, all steps, seconds left or None); rows: the chains of this chunk.

        facts: "part" of "parts", where a slice or frame is one of many.
        """
        self.chunk += index < self.index
        self.index = index
        self.rows = max(self.rows, rows)
        whole = total * max(1, -(-(self.chains or 1) // self.rows), self.chunk + 1)
        done = self.chunk * total + index + 1
        if "parts" in facts:
            whole, done = total * facts["parts"], total * facts["part"] + index + 1
        if not self.begun[1]:
            self.begun = time.monotonic(), done
        moment, first = self.begun
        if done <= first:
            return done, whole, None
        pace = (time.monotonic() - moment) / (done - first)
        return done, whole, pace * (whole - done)


class Plain:
    """A line now and then."""

    def __init__(self, chains: int | None):
        self.pace, self.shown = Pace(chains), 0

    def __call__(self, rows: int, index: int, total: int, facts: Mapping[str, Any]) -> None:
        done, whole, left = self.pace.at(rows, index, total, facts)
        if LINES * done // whole != self.shown:  # it falls where another run begins
            self.shown = LINES * done // whole
            click.echo(f"  {done}/{whole}  {_words(facts, left)}", err=True)


class Count:
    """How many inputs of a run are done, now and then, while other processes work on them."""

    def __init__(self, total: int, *, shown: bool):
        self.total, self.shown = total, shown
        self.done, self.told, self.begun = 0, 0, time.monotonic()

    def __call__(self, *, failed: int) -> None:
        self.done += 1
        if self.shown and LINES * self.done // self.total != self.told:
            self.told = LINES * self.done // self.total
            pace = (time.monotonic() - self.begun) / self.done
            left = duration(pace * (self.total - self.done))
            words = f"{self.done}/{self.total} inputs" + (f", {failed} failed" if failed else "")
            click.echo(f"  {words}  {left} left", err=True)


class Parts:
    """How many slices or pieces are done of the inputs that other processes work on, if any."""

    def __init__(self, states: Path, *, shown: bool):
        self.states, self.shown = states, shown
        self.told: Mapping[str, int] = {}
        self.last = time.monotonic()

    def __call__(self) -> None:
        if not self.shown or time.monotonic() - self.last < EVERY:
            return
        from ..files.runs.sharing import parts_done

        self.last, done = time.monotonic(), parts_done(self.states)
        for name, count in done.items():
            if self.told.get(name) != count:
                click.echo(f"  {name}: {count} parts done", err=True)
        self.told = done


class Live:
    """A line that moves, by rich; it appears at the first step."""

    def __init__(self, chains: int | None, bar: Any):
        self.pace, self.bar = Pace(chains), bar

    def __call__(self, rows: int, index: int, total: int, facts: Mapping[str, Any]) -> None:
        done, whole, left = self.pace.at(rows, index, total, facts)
        if not self.bar.tasks:
            self.bar.add_task("", total=whole, words="")
            self.bar.start()
        words = _words(facts, left)
        self.bar.update(self.bar.task_ids[0], completed=done, total=whole, words=words)


@contextmanager
def progress_for(chains: int | None, *, quiet: bool) -> Iterator[Any]:
    """A function that shows progress, for restore_file to call after every step; None if quiet."""
    if quiet:
        yield None
    elif not sys.stderr.isatty():
        yield Plain(chains)
    else:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        columns = BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[words]}")
        bar = Progress(*columns, console=Console(stderr=True), transient=True)
        try:
            yield Live(chains, bar)
        finally:
            bar.stop()


def duration(seconds: float) -> str:
    """41 s, 12 min, 3.5 h."""
    if seconds < 100:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _words(facts: Mapping[str, Any], left: float | None) -> str:
    words = f"sigma {facts['sigma']:.3g}"
    if facts.get("chi_square") is not None:
        words += f"  misfit {facts['chi_square']:.3g}"
    return words + (f"  {duration(left)} left" if left else "")
