"""One worker of a run: it claims inputs, does the work on them, and keeps the ledger."""

import errno
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputChanged, RestoreError, UsageError
from ..files.answers.answering import forget
from ..files.runs.claims import Claims, worker_name
from ..files.runs.identity import Identity, looks, origin
from ..files.runs.ledger import (
    CLAIMED,
    CRASHED,
    CRASHES,
    DONE,
    FAILED,
    QUARANTINED,
    RELEASED,
    Ledger,
    Merged,
)  # fmt: skip
from ..files.runs.outputs import REPORT, Outcome, report_of, sha256
from ..files.runs.run_folder import RunFolder
from ..sampling.keeping.checkpoint import AnotherRun
from ..untrusted.saved_states import DamagedState
from .program import raising, say
from .wording import ends_run, full, line, mistake

if TYPE_CHECKING:
    from .batch import Work

POLL = 0.2  # seconds between two looks at what others work on
TIMES = 3  # that an input may change under way before it counts as failed


class LostRun(RestoreError):
    """What the run is made with is no longer what it began with."""


@dataclass(frozen=True)
class Plan:
    """What a worker is to do; all of it can be sent to another process."""

    work: "Work"
    out: Path
    identity: Identity
    items: Sequence[tuple[str, Path]]  # the name of each input's folder, and the input
    alone: bool  # a single input: its error is raised, and it is tried whatever it did before
    since: float  # when the run began; what failed before is tried again
    label: str = "run"  # of the worker's ledger

    def of(self, items: Sequence[tuple[str, Path]], label: str = "") -> "Plan":
        return replace(self, items=items, label=label or self.label)


class Observer:
    """What is known of a plan's inputs from the ledger of all that work on them.

    tell: what is told of results that are not as they were left.
    """

    def __init__(self, plan: Plan, merged: Merged, tell: Callable[[str], None] = say):
        self.plan, self.merged, self.tell = plan, merged, tell
        self.settings = replace(plan.work.settings, mark=plan.identity.mark)

    def settled(self, name: str, source: Path) -> Outcome | None:
        """What the ledger says became of an input, if nothing needs to be done about it."""
        entry = self.merged.get(name)
        if entry.state == DONE:
            return self._made(name, source)
        known = entry.state == QUARANTINED or (
            entry.state == FAILED and entry.time >= self.plan.since
        )
        if not known or self.plan.alone:
            return None
        made_of = self.merged.facts(name).get("from")
        if entry.state == QUARANTINED and made_of != origin(source, self.settings):
            return None
        return self.outcome(name, source)

    def outcome(self, name: str, source: Path) -> Outcome:
        """What the ledger says became of an input that is settled."""
        facts = self.merged.facts(name)
        if self.merged.get(name).state == DONE:
            return Outcome(source, facts["facts"])
        return Outcome(source, error=_error(facts["reason"], facts))

    def _made(self, name: str, source: Path) -> Outcome | None:
        """An input that is done; None where it changed since, or its result is no longer whole."""
        facts, report = self.merged.facts(name), self.plan.out / name / REPORT
        try:
            whole = report.stat().st_size == facts["report"] or report_of(report.parent) is not None
        except (FileNotFoundError, NotADirectoryError):
            return None
        if not whole:
            self.tell(f"{report} is damaged: {source} is done anew")
            return None
        same = facts["looks"] == looks(source, self.settings)
        if not same and facts["from"] != origin(source, self.settings):
            self.tell(f"{source} changed since it was done: done anew")
            return None
        return Outcome(source, facts["facts"])


class Worker(Observer):
    """One process's part in a run."""

    def __init__(self, plan: Plan, merged: Merged | None = None):
        self.folder, mark = RunFolder(plan.out), plan.identity.mark
        super().__init__(plan, merged or Merged(self.folder.ledger, mark))
        name = worker_name(plan.label)
        self.ledger = Ledger(self.folder.ledger, name, mark)
        self.claims = Claims(self.folder.claims, name)

    def outcomes(self) -> Iterator[Outcome]:
        """What became of each input, by this worker or by another, as it is known."""
        left = list(self.plan.items)
        while left:
            waiting = []
            for name, source in left:
                outcome = self.settled(name, source) or self._attempt(name, source)
                if outcome is None:
                    waiting.append((name, source))
                else:
                    yield outcome
            left = waiting
            if left:
                time.sleep(POLL)
                self.merged.refresh()

    def to_the_end(self) -> Iterator[Outcome]:
        """`outcomes`; then this worker's part has ended."""
        try:
            yield from self.outcomes()
        finally:
            self.close()

    def close(self) -> None:
        """The end of this worker's part."""
        self.ledger.close()

    def _attempt(self, name: str, source: Path) -> Outcome | None:
        """Do the work on an input, unless another worker has it; then None."""
        self._refuse_lost()
        left_by = self.claims.take(name)
        if left_by is None:
            return None
        about = {"name": name, "source": os.path.abspath(source)}
        try:
            if left_by or (self.plan.out / name / REPORT).exists():
                self.merged.refresh()  # another may have done it just now
                outcome = self.settled(name, source)
                if outcome is not None:
                    return outcome
            if left_by:
                self.ledger.append(CRASHED, **about, worker=left_by)
                self.merged.refresh()
            if self.merged.get(name).crashes >= CRASHES and not self.plan.alone:
                reason = f"{source}: crashed its worker {CRASHES} times; it is not tried again"
                made_of = origin(source, self.settings)
                return self._failed(QUARANTINED, about, source, reason, **{"from": made_of})
            self.ledger.append(CLAIMED, **about)
            return self._tried(name, source, about)
        except BaseException as error:
            if self.ledger.present():
                self.ledger.append(RELEASED, **about, reason=line(error))
            raise
        finally:
            self.claims.release(name)

    def _refuse_lost(self) -> None:
        """The errors that end a run: its folder is gone, or it is not what it was."""
        if not (self.ledger.present() and self.folder.claims.is_dir()):
            gone = "the output folder was removed under way"
            raise FileNotFoundError(errno.ENOENT, gone, str(self.plan.out))
        changed = self.plan.identity.stale()
        if changed is not None:
            raise LostRun(f"{changed} changed under way; run the same command again")

    def _tried(self, name: str, source: Path, about: Mapping[str, Any]) -> Outcome:
        """The outcome of the work; an error that would meet every input is raised."""
        try:
            return self._done(name, source, about)
        except LostRun:
            raise
        except Exception as error:
            if full(error) and error.filename is None:
                error.filename = str(self.plan.out)
            if self.plan.alone or raising() or ends_run(error, self.plan.out):
                raise
            if not mistake(error):
                traceback.print_exc()
            words = line(error)
            reason = words if str(source) in words else f"{source}: {words}"
            usage = isinstance(error, UsageError)
            return self._failed(FAILED, about, source, reason, usage=usage)

    def _failed(
        self, state: str, about: Mapping[str, Any], source: Path, reason: str, **more: Any
    ) -> Outcome:
        self.ledger.append(state, **about, reason=reason, **more)
        return Outcome(source, error=_error(reason, more))

    def _done(self, name: str, source: Path, about: Mapping[str, Any]) -> Outcome:
        """Do the work, from the beginning where the input changed; write it into the ledger."""
        target = self.plan.out / name
        for left in reversed(range(TIMES)):
            seen, made_of = looks(source, self.settings), origin(source, self.settings)
            started = time.perf_counter()
            try:
                facts = self._recovered(target, made_of) or self._executed(source, target)
                break
            except InputChanged as error:
                if not left:
                    raise
                say(f"{error}: begun anew")
        kept = self.plan.work.kept(facts)
        made = [facts["output"]] if isinstance(facts["output"], str) else facts["output"]
        files = [path for path in (target / Path(path).name for path in made) if path.exists()]
        try:
            self._refuse_lost()
        except LostRun:
            (target / REPORT).unlink(missing_ok=True)  # what it was made with is not known
            raise
        self.ledger.append(
            DONE, **about,
            seconds=round(time.perf_counter() - started, 4),
            result={path.name: sha256(path) for path in files},
            report=(target / REPORT).stat().st_size,
            looks=seen, **{"from": made_of}, facts=kept,
        )  # fmt: skip
        return Outcome(source, kept)

    def _recovered(self, target: Path, made_of: Mapping[str, str]) -> Mapping[str, Any] | None:
        """The report of a result that a worker made whole before it could write so."""
        report = report_of(target) or {}
        provenance = report.get("provenance", {})
        same = provenance and all(provenance.get(key) == sum for key, sum in made_of.items())
        return report if same else None

    def _executed(self, source: Path, target: Path) -> Mapping[str, Any]:
        """The facts of the work; a saved state of another input, or a damaged one, is discarded."""
        checkpoint = self.folder.states / f"{target.name}.checkpoint"
        with redirect_stdout(sys.stderr):  # what a plugin prints is no result
            try:
                return self.plan.work.execute(source, target, checkpoint)
            except AnotherRun:
                say(f"{source} is not what it was when it was interrupted: begun anew")
            except DamagedState:
                say(f"the saved state of {source} is damaged: discarded, and begun anew")
            forget(checkpoint)
            return self.plan.work.execute(source, target, checkpoint)


def _error(reason: str, facts: Mapping[str, Any]) -> RestoreError:
    """The error that an input met, as the ledger keeps it."""
    return UsageError(reason) if facts.get("usage") else RestoreError(reason)
