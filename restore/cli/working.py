"""One worker of a run: it claims inputs, does the work on them, and keeps the ledger."""

import errno
import os
import sys
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stdout, suppress
from pathlib import Path
from typing import Any

from ..errors import InputChanged, RestoreError, UsageError
from ..files.answers.answering import forget
from ..files.runs.claims import Claims, worker_name
from ..files.runs.identity import looks, origin
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
from ..files.runs.sharing import Sharing, checkpoint_of
from ..sampling.keeping.checkpoint import AnotherRun
from ..untrusted.saved_states import DamagedState
from .planned import Observer, Plan, failure
from .program import raising, say
from .wording import ends_run, full, line, mistake

POLL = 0.2  # seconds between two looks at what others work on
AHEAD = 4  # times as many inputs are looked at as are to be prepared
TIMES = 3  # that an input may change under way before it counts as failed


class LostRun(RestoreError):
    """What the run is made with is no longer what it began with."""


class Worker(Observer):
    """One process's part in a run."""

    def __init__(self, plan: Plan, merged: Merged | None = None):
        self.folder, mark = RunFolder(plan.out), plan.identity.mark
        super().__init__(plan, merged or Merged(self.folder.ledger, mark))
        name = worker_name(plan.label)
        self.ledger = Ledger(self.folder.ledger, name, mark)
        self.claims = Claims(self.folder.claims, name)
        self.helping: dict[str, Iterator[None]] = {}

    def outcomes(self) -> Iterator[Outcome]:
        """What became of each input, by this worker or by another, as it is known."""
        try:
            yield from self._outcomes()
        finally:
            for name in list(self.claims.held):  # prepared, and not begun
                with suppress(FileNotFoundError):  # the folder was removed
                    self.claims.release(name)

    def _outcomes(self) -> Iterator[Outcome]:
        left = list(self.plan.items)
        while left:
            waiting = []
            for number, (name, source) in enumerate(left):
                outcome = self.settled(name, source)
                if outcome is None:
                    self._prepare(left[number : number + AHEAD * self.plan.together])
                    outcome = self._attempt(name, source)
                if outcome is None:
                    waiting.append((name, source))
                else:
                    self.helping.pop(name, None)
                    yield outcome
            left = waiting
            if left:
                if not any(self._helped(name, source) for name, source in left):
                    time.sleep(POLL)
                self.merged.refresh()

    def _prepare(self, items: Sequence[tuple[str, Path]]) -> None:
        """Claim the first few of the inputs that are left, and do what can be done for all at once.

        What has crashed a worker is left out: it is done alone, so that it is known by name. What
        is wrong with one of them is said in its turn.
        """
        if self.plan.together < 2 or items[0][0] in self.claims.held:
            return
        taken: list[tuple[Path, Sharing]] = []
        for name, source in items:
            fresh = not self.merged.get(name).crashes and self.settled(name, source) is None
            if fresh and len(taken) < self.plan.together and self.claims.take_free(name):
                taken.append((source, self._sharing(name)))
        if len(taken) > 1:
            try:
                with redirect_stdout(sys.stderr):
                    self.plan.work.prepare(taken, self.plan.together)
            except Exception as error:
                if raising():
                    raise
                say(f"{taken[0][0]} and others are done one by one: {line(error)}")

    def to_the_end(self) -> Iterator[Outcome]:
        """`outcomes`; then this worker's part has ended."""
        try:
            yield from self.outcomes()
        finally:
            self.close()

    def close(self) -> None:
        """The end of this worker's part."""
        self.ledger.close()

    def _helped(self, name: str, source: Path) -> bool:
        """Whether a part of an input was done here that another worker has; its turn is later.

        What is wrong with a part is said by the worker that has the input.
        """
        sharing = self._sharing(name)
        if not sharing.wanted():
            return False
        if name not in self.helping:
            shareable = self.plan.work.shareable(source)
            self.helping[name] = self.plan.work.help(source, sharing) if shareable else iter(())
        try:
            with redirect_stdout(sys.stderr):
                return next(self.helping[name], self) is not self
        except Exception:
            self.helping[name] = iter(())
            return False

    def _sharing(self, name: str) -> Sharing:
        return Sharing(self.claims, name, checkpoint_of(self.folder.states, name))

    def _attempt(self, name: str, source: Path) -> Outcome | None:
        """Do the work on an input, unless another worker has it; then None."""
        self._refuse_lost()
        left_by = "" if name in self.claims.held else self.claims.take(name)
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
        return Outcome(source, error=failure(reason, more))

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
        sharing = self._sharing(target.name)
        with redirect_stdout(sys.stderr):  # what a plugin prints is no result
            try:
                return self.plan.work.execute(source, target, sharing)
            except AnotherRun:
                say(f"{source} is not what it was when it was interrupted: begun anew")
            except DamagedState:
                say(f"the saved state of {source} is damaged: discarded, and begun anew")
            forget(sharing.checkpoint)
            return self.plan.work.execute(source, target, sharing)
