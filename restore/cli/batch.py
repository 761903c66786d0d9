"""One run over many inputs: a bad file does not stop it, and a repeated run is one gone on with."""

import os
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from ..errors import UsageError
from .program import raising, say
from .progress import Count, Parts
from .wording import FAILURE, PARTIAL, USAGE, interrupted, line

if TYPE_CHECKING:
    from ..files.problem import Settings
    from ..files.runs.ledger import Merged
    from ..files.runs.outputs import Outcome
    from ..files.runs.sharing import Sharing
    from .planned import Plan


SHEET = "index.html"  # of a run over many inputs
FEW = 5  # files that are left out, in the line that names them
SHOWN = 20  # inputs that failed, in the last line


class RunFlags(NamedTuple):
    """The flags that every command on files takes (`recipe_flags.run_flags`)."""

    inputs: tuple[str, ...]
    out: Path
    overwrite: bool
    as_json: bool
    quiet: bool
    jobs: int = 1  # processes
    shard: tuple[int, int] | None = None  # the first of (1, 40) is one of forty parts
    engine: str = "auto"  # or "dask"
    scheduler: str | None = None  # of Dask: its address or file
    together: int = 1  # small inputs of one shape that go through the network at once

    @property
    def elsewhere(self) -> bool:
        """Whether other processes do the work."""
        return self.jobs > 1 or self.on_dask

    @property
    def on_dask(self) -> bool:
        return self.engine == "dask" or self.scheduler is not None


class Work(ABC):
    """What a command does with each of its inputs, and what it says of it.

    Sent to other processes it takes its settings along, and nothing that was loaded.
    """

    settings: "Settings"

    @abstractmethod
    def execute(self, source: Path, target: Path, sharing: "Sharing") -> Mapping[str, Any]:
        """Fill the folder `target` of one input, whole or not at all; the facts of its report.

        sharing: its `checkpoint` is the file that keeps an interrupted run.
        """

    def shareable(self, source: Path) -> bool:
        """Whether an input may have parts that several processes can do."""
        return False

    def prepare(self, items: Sequence[tuple[Path, "Sharing"]], together: int) -> None:
        """Do what can be done at once for inputs that are executed next, so many at a time."""
        return

    def help(self, source: Path, sharing: "Sharing") -> Iterator[None]:
        """Do parts of an input that another process executes, one at each step."""
        return iter(())

    @abstractmethod
    def kept(self, facts: Mapping[str, Any]) -> Mapping[str, Any]:
        """The part of a report's facts that the ledger keeps: sentence and row are made of it."""

    @abstractmethod
    def sentence(self, facts: Mapping[str, Any]) -> str:
        """One line on what was made, for people."""

    @abstractmethod
    def row(self, outcome: "Outcome") -> Mapping[str, Any]:
        """One JSON object on an input, for machines."""

    @abstractmethod
    def finish(self, out: Path, merged: "Merged") -> None:
        """Called once, when all inputs of a run are done."""


def run_each(work: Work, flags: RunFlags, command: Sequence[str] = ()) -> int:
    """Do the work on every input that the flags name; the exit status.

    With a single input its error is raised, as is any error that would meet every input.
    command: its words without the inputs, to be given again with some of them.
    """
    from ..files.runs.run_folder import RunFolder

    plan, merged = _begun(work, flags, command)
    bad, count = [], Count(len(plan.items), shown=flags.elsewhere and not flags.quiet)
    try:
        with closing(_outcomes(plan, merged, flags)) as outcomes:
            for outcome in outcomes:
                _report_one(plan.work, outcome, flags)
                bad += [] if outcome.error is None else [outcome]
                count(failed=len(bad))
        if flags.shard is None:
            _finish(plan)
    except KeyboardInterrupt as stop:
        notes = getattr(stop, "__notes__", [])  # what does not go on where it was
        say("; ".join(("interrupted; run the same command again to go on", *notes)))
        return interrupted(stop)
    finally:
        if flags.shard is None:  # others of its kind may be about to begin
            RunFolder(flags.out).leave()
    return _summary(len(plan.items), bad)


def _outcomes(plan: "Plan", merged: "Merged", flags: RunFlags) -> Iterator["Outcome"]:
    """What becomes of each input, by the engine that was asked for."""
    from ..files.runs.run_folder import RunFolder
    from .working import Worker

    jobs = max(1, min(flags.jobs, len(plan.items)))
    if jobs < flags.jobs and any(plan.work.shareable(source) for _, source in plan.items):
        jobs = flags.jobs
    tell = Parts(RunFolder(plan.out).states, shown=not flags.quiet)
    if flags.on_dask:
        from .dask_cluster import on_dask

        return on_dask(plan, merged, flags.scheduler, jobs, tell)
    if jobs > 1:
        from .team import in_processes

        return in_processes(plan, merged, jobs, tell)

    return Worker(plan, merged).to_the_end()


def _begun(work: Work, flags: RunFlags, command: Sequence[str]) -> tuple["Plan", "Merged"]:
    """The plan of a run whose folder is made, or gone on with; and what its ledger knows."""
    from ..files.by_extension import has_reader, reads_whole_folder
    from ..files.runs.identity import identity
    from ..files.runs.inputs import input_files, left_out
    from ..files.runs.ledger import DONE, Merged
    from ..files.runs.outputs import folder_names
    from ..files.runs.run_folder import RunFolder
    from .planned import Plan

    since, recipe = time.time() - 0.001, work.settings.recipe  # the ledger rounds its times

    def is_whole(folder: Path) -> bool:
        return reads_whole_folder(folder, recipe)

    sources = input_files(flags.inputs, has_reader, is_whole)
    _tell_left_out(left_out(flags.inputs, has_reader, is_whole))
    known = identity(work.settings)
    work.settings = replace(work.settings, mark=known.mark)
    folder = RunFolder(flags.out)
    merged = Merged(folder.ledger, known.mark, places=True)
    items = list(zip(folder_names(sources, merged.named), sources))

    def anew() -> Sequence[Path]:
        finished = flags.shard is None and all(merged.get(n).state == DONE for n, _ in items)
        return [flags.out / name for name, _ in items] if finished else ()

    folder.begin(
        known, sources, say, overwrite=flags.overwrite, anew=anew,
        command=list(command), cwd=os.getcwd(), recipe=recipe,
    )  # fmt: skip
    plan = Plan(work, flags.out, known, items, alone=len(items) == 1, since=since,
                together=flags.together)  # fmt: skip
    if flags.shard is not None:
        number, parts = flags.shard
        plan = plan.of(items[number - 1 :: parts], f"shard-{number}-of-{parts}")
    merged.named, merged.heard = None, flags.elsewhere
    return plan, merged


def _tell_left_out(files: Sequence[Path]) -> None:
    if files:
        more = f" and {len(files) - FEW} more" if len(files) > FEW else ""
        say(f"left out, no reader takes them: {', '.join(map(str, files[:FEW]))}{more}")


def _finish(plan: "Plan") -> None:
    """Sum up, where anything was done since; that never fails a run that is done."""
    from ..files.runs.claims import Claims
    from ..files.runs.ledger import Merged
    from ..files.runs.run_folder import RunFolder

    try:
        merged = Merged(RunFolder(plan.out).ledger, plan.identity.mark)
        Claims(RunFolder(plan.out).claims, "").sweep(merged.settled_names())
        new = any(entry.time >= plan.since for entry in merged.entries.values())
        if new or not (plan.out / SHEET).exists():
            plan.work.finish(plan.out, merged)
    except Exception as error:
        if raising():
            raise
        say(f"the results are whole, but their summary could not be made: {line(error)}")


def _report_one(work: Work, outcome: "Outcome", flags: RunFlags) -> None:
    if outcome.error is not None:
        say(str(outcome.error))
    if flags.as_json:
        from ..files.report.facts import as_json

        click.echo(as_json(work.row(outcome)))
    elif outcome.error is None:
        click.echo(work.sentence(outcome.facts))


def _summary(count: int, bad: Sequence["Outcome"]) -> int:
    """Say what failed; the exit status. What an option lacks for all inputs is wrong usage."""
    if not bad:
        return 0
    listed = ", ".join(str(outcome.source) for outcome in bad[:SHOWN])
    more = f" and {len(bad) - SHOWN} more (see: restore status OUT)" if len(bad) > SHOWN else ""
    say(f"{len(bad)} of {count} inputs failed: {listed}{more}")
    if len(bad) < count:
        return PARTIAL
    return USAGE if all(isinstance(one.error, UsageError) for one in bad) else FAILURE
