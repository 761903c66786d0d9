"""One run over many inputs: a bad file does not stop it, and an interrupted run is gone on with."""

import sys
import traceback
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from ..errors import RestoreError
from .program import raising, say
from .wording import FAILURE, INTERRUPTED, PARTIAL, ends_run, line, mistake

if TYPE_CHECKING:
    from ..files.outputs import Outcome
    from ..files.problem import Settings


class RunFlags(NamedTuple):
    """The flags that every command on files takes (`recipe_flags.run_flags`)."""

    inputs: tuple[str, ...]
    out: Path
    overwrite: bool
    as_json: bool
    quiet: bool


class Work(ABC):
    """What a command does with each of its inputs, and what it says of it."""

    settings: "Settings"

    @abstractmethod
    def execute(self, source: Path, target: Path, checkpoint: Path) -> Mapping[str, Any]:
        """Fill the folder `target` of one input, whole or not at all; the facts of its report.

        checkpoint: the file that keeps an interrupted run.
        """

    @abstractmethod
    def sentence(self, facts: Mapping[str, Any]) -> str:
        """One line on what was made, for people."""

    @abstractmethod
    def row(self, outcome: "Outcome") -> Mapping[str, Any]:
        """One JSON object on an input, for machines."""

    @abstractmethod
    def finish(self, out: Path, outcomes: Sequence["Outcome"]) -> None:
        """Called once, when all inputs are done."""


def run_each(work: Work, flags: RunFlags) -> int:
    """Do the work on every input that the flags name; the exit status.

    With a single input its error is raised, as is any error that would meet every input.
    """
    from ..files.by_extension import has_reader, reads_whole_folder
    from ..files.inputs import input_files
    from ..files.outputs import claim, folder_names, release

    recipe, mark = work.settings.recipe, work.settings.mark
    sources = input_files(
        flags.inputs, has_reader, lambda folder: reads_whole_folder(folder, recipe)
    )
    resumed = claim(flags.out, mark, sources, overwrite=flags.overwrite)
    outcomes: list[Outcome] = []
    try:
        for source, name in zip(sources, folder_names(sources)):
            outcome = _outcome(work, source, flags.out / name, resumed, alone=len(sources) == 1)
            outcomes.append(outcome)
            _report_one(work, outcome, flags)
        _finish(work, flags.out, outcomes)
    except KeyboardInterrupt as interrupt:
        notes = getattr(interrupt, "__notes__", [])  # what does not go on where it was
        say("; ".join(("interrupted; run the same command again to go on", *notes)))
        return INTERRUPTED
    finally:
        bad = [outcome.source for outcome in outcomes if outcome.error is not None]
        release(flags.out, finished=len(outcomes) == len(sources) and not bad)
    return _summary(len(sources), bad)


def _finish(work: Work, out: Path, outcomes: Sequence["Outcome"]) -> None:
    """What sums up never fails a run that is done."""
    try:
        work.finish(out, outcomes)
    except Exception as error:
        if raising():
            raise
        say(f"the results are whole, but their summary could not be made: {line(error)}")


def _outcome(work: Work, source: Path, target: Path, resumed: bool, *, alone: bool) -> "Outcome":
    from ..files.outputs import Outcome, finished

    try:
        facts = finished(target, work.settings.mark, source) if resumed else None
        if facts is None:
            checkpoint = target.with_name(f".{target.name}.checkpoint")
            with redirect_stdout(sys.stderr):  # what a plugin prints is no result
                facts = work.execute(source, target, checkpoint)
    except Exception as error:
        if alone or raising() or ends_run(error):
            raise
        if not mistake(error):
            traceback.print_exc()
        return Outcome(source, error=_located(error, source))
    return Outcome(source, facts)


def _located(error: Exception, source: Path) -> RestoreError:
    """The error in one line that says which input it is about."""
    words = line(error)
    return RestoreError(words if str(source) in words else f"{source}: {words}")


def _report_one(work: Work, outcome: "Outcome", flags: RunFlags) -> None:
    if outcome.error is not None:
        say(str(outcome.error))
    if flags.as_json:
        from ..files.report.facts import as_json

        click.echo(as_json(work.row(outcome)))
    elif outcome.error is None:
        click.echo(work.sentence(outcome.facts))


def _summary(count: int, bad: Sequence[Path]) -> int:
    if not bad:
        return 0
    listed = ", ".join(str(source) for source in bad)
    say(f"{len(bad)} of {count} inputs failed: {listed}")
    return FAILURE if len(bad) == count else PARTIAL
