"""Several processes on one machine that share the inputs of a run, and the processor."""

import multiprocessing
import os
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from ..errors import RestoreError, Terminated
from ..files.runs.ledger import Merged
from ..files.runs.outputs import Outcome
from ..files.runs.run_folder import RunFolder
from ..files.runs.sharing import parts_done
from .planned import Observer, Plan
from .program import show_warning
from .wording import interrupted, line, status
from .working import POLL, Worker

FRUITLESS = 3  # workers, for each job, that die before anything is done: then the run ends
PATIENCE = 60.0  # seconds in which what is on disk must be seen, on network drives too
PARTING = 5.0  # for those that have nothing left to do
GRACE = 60.0  # seconds for workers to save their state when the run is told to end


class EndedRun(RestoreError):
    """A worker met what would meet every input; its words, its exit status."""

    def __init__(self, words: str, status: int):
        super().__init__(words)
        self.status = status


def told(
    plan: Plan, merged: Merged, look: Callable[[int], bool], tell: Callable[[], None]
) -> Iterator[Outcome]:
    """What becomes of each input, as the ledger tells; `merged` is one that listens.

    look: sees to the workers, given how many inputs were settled of late, and tells whether any is
    at work; it raises what ends the run. RestoreError where none is and inputs are left. tell: is
    called now and then, and says how far they are.
    """
    observer = Observer(plan, merged, tell=lambda words: None)
    left, at_work = {}, time.monotonic()
    merged.news.clear()
    for name, source in plan.items:
        outcome = observer.settled(name, source)
        if outcome is None:
            left[name] = source
        else:
            yield outcome
    settled = 0
    while left:
        at_work = time.monotonic() if look(settled) else at_work
        if time.monotonic() - at_work > PATIENCE:
            raise RestoreError(f"{len(left)} inputs are not accounted for; run the command again")
        time.sleep(POLL)
        tell()
        merged.refresh()
        news, merged.news = [name for name in merged.news if name in left], []
        settled = len(news)
        for name in dict.fromkeys(news):
            yield observer.outcome(name, left.pop(name))


@dataclass
class Member:
    """A worker's process, and what it says when it ends."""

    process: BaseProcess
    words: Connection


@dataclass
class Team:
    """So many workers of a plan; one that dies is replaced, and what killed it is blamed by name.

    A worker that died holding a claim is counted against that input by whoever takes the claim
    over, so that the second time it is left alone.
    """

    plan: Plan
    jobs: int
    members: dict[int, Member] = field(default_factory=dict)
    fruitless: int = 0
    parts: int = 0  # slices or pieces of inputs under way that were done when one last died
    started: bool = False

    def start(self) -> None:
        self.started, threads = True, max(1, cores() // self.jobs)
        before = os.environ.get("OMP_NUM_THREADS")
        os.environ.setdefault("OMP_NUM_THREADS", str(threads))  # read when torch is loaded
        try:
            for index in range(self.jobs):
                self._hire(index)
        finally:
            if before is None:
                del os.environ["OMP_NUM_THREADS"]

    def look(self, settled: int) -> bool:
        """Replace who died; whether any is at work. EndedRun where one ended the run.

        The first look, where there is work, starts them all.
        """
        if not self.started:
            self.start()
        self.fruitless = 0 if settled else self.fruitless
        for index, member in list(self.members.items()):
            if member.process.is_alive():
                continue
            code = member.process.exitcode
            del self.members[index]
            with suppress(EOFError):  # it said nothing
                raise EndedRun(*member.words.recv())
            if code:
                self._replace(index, code)
        return bool(self.members)

    def part(self) -> None:
        """All is settled, and the workers see it, too: let them end by themselves."""
        deadline = time.monotonic() + PARTING
        for member in self.members.values():
            member.process.join(max(0.0, deadline - time.monotonic()))

    def end(self) -> None:
        """Tell all to save their state and end; kill who does not within the GRACE."""
        for member in self.members.values():
            member.process.terminate()
        deadline = time.monotonic() + GRACE
        for member in self.members.values():
            member.process.join(max(0.0, deadline - time.monotonic()))
            member.process.kill()

    def _replace(self, index: int, code: int) -> None:
        parts = sum(parts_done(RunFolder(self.plan.out).states).values())
        self.fruitless = 1 if parts > self.parts else self.fruitless + 1
        self.parts = parts
        if self.fruitless > FRUITLESS * self.jobs:
            how = f"signal {-code}" if code < 0 else f"status {code}"
            raise RestoreError(f"workers die before they do anything ({how}); see what they said")
        self._hire(index)

    def _hire(self, index: int) -> None:
        context = _context()
        hear, words = context.Pipe(duplex=False)
        plan = self.plan.of(self.plan.items, f"{self.plan.label}-job-{index + 1}")
        process = context.Process(
            target=_serve, args=(plan, index, max(1, cores() // self.jobs), words), daemon=True
        )
        process.start()
        words.close()
        self.members[index] = Member(process, hear)


def in_processes(
    plan: Plan, merged: Merged, jobs: int, tell: Callable[[], None] = lambda: None
) -> Iterator[Outcome]:
    """The outcomes of a plan that `jobs` processes of this machine work on."""
    team = Team(plan, jobs)
    try:
        yield from told(plan, merged, team.look, tell)
        team.part()
    finally:
        team.end()


def _context() -> Any:
    """How processes are started: where the system can, from one that has loaded torch for all."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["restore.cli.team", "restore.files.restoring"])
    return context


def cores() -> int:
    """The processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _serve(plan: Plan, index: int, threads: int, words: Connection) -> None:
    """What a worker's process does; how it ended is its exit status, why it says through `words`.

    On a machine with several GPUs each process has one of its own, in turn.
    """
    warnings.showwarning = show_warning
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end_once)
    parent = os.getppid()
    try:
        _share_machine(index, threads)
        worker = Worker(plan)
        try:
            for _ in worker.outcomes():
                if os.getppid() != parent:
                    break  # nobody waits for what is done here
        finally:
            worker.close()
    except KeyboardInterrupt as stop:
        sys.exit(interrupted(stop))
    except Exception as error:
        words.send((line(error), status(error)))
        sys.exit(status(error))


def _end_once(number: int, frame: Any) -> None:
    """The first signal ends the work; a second one must not cut off the saving of its state."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt if number == signal.SIGINT else Terminated


def _share_machine(index: int, threads: int) -> None:
    import torch

    if os.environ.get("OMP_NUM_THREADS") == str(threads):
        torch.set_num_threads(threads)
    if torch.cuda.is_available():
        torch.cuda.set_device(index % torch.cuda.device_count())
