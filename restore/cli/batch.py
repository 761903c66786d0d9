"""One run over many inputs: a bad file does not stop it, and an interrupted run is gone on with."""

import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from ..files.outputs import claim, finished, folder_names, release
from .program import raising, say
from .wording import FAILURE, INTERRUPTED, PARTIAL, ends_run, line, mistake

# (source, its folder, the file that keeps an interrupted run) -> the report's facts
Act = Callable[[Path, Path, Path], dict[str, Any]]


def each(
    sources: Sequence[Path],
    out: Path,
    mark: str,
    act: Act,
    *,
    overwrite: bool,
    tell: Callable[[Path, dict[str, Any] | str], None],
    close: Callable[[list[tuple[Path, dict[str, Any] | str]]], None] = lambda results: None,
) -> int:
    """The exit status. tell: of each input's facts, or what was wrong; close: of all, at the end.

    With a single input its error is raised, as is any error that would meet every input.
    """
    resumed = claim(out, mark, sources, overwrite=overwrite)
    results: list[tuple[Path, dict[str, Any] | str]] = []
    try:
        for source, name in zip(sources, folder_names(sources)):
            target = out / name
            try:
                facts = finished(target, mark, source) if resumed else None
                if facts is None:
                    facts = act(source, target, out / f".{name}.checkpoint")
            except Exception as error:
                if len(sources) == 1 or raising() or ends_run(error):
                    raise
                if not mistake(error):
                    traceback.print_exc()
                facts = _located(line(error), source)
            results.append((source, facts))
            tell(source, facts)
        close(results)
    except KeyboardInterrupt:
        say("interrupted; run the same command again to go on")
        return INTERRUPTED
    finally:
        bad = [source for source, facts in results if isinstance(facts, str)]
        release(out, finished=len(results) == len(sources) and not bad)
    return _summary(len(sources), bad)


def _summary(count: int, bad: Sequence[Path]) -> int:
    if not bad:
        return 0
    listed = ", ".join(str(source) for source in bad)
    say(f"{len(bad)} of {count} inputs failed: {listed}")
    return FAILURE if len(bad) == count else PARTIAL


def _located(words: str, source: Path) -> str:
    """An error's line that says which input it is about."""
    return words if str(source) in words else f"{source}: {words}"


def echo(words: str) -> None:
    """A result, on stdout."""
    click.echo(words)
