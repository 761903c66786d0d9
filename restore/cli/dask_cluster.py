"""A run's inputs on a Dask cluster: one that is there, by its address, or one of this machine."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from copy import copy
from dataclasses import replace
from typing import Any

from ..errors import RestoreError, UnavailableError
from ..files.runs.claims import worker_name
from ..files.runs.identity import anywhere, origin
from ..files.runs.ledger import QUARANTINED, Ledger, Merged
from ..files.runs.outputs import Outcome
from ..files.runs.run_folder import RunFolder
from .planned import Plan
from .team import told
from .working import Worker

AHEAD = 2  # tasks for each thread of the cluster that are handed out at once
PORTIONS = 20  # in which each thread gets its share of the inputs
MOST = 32  # inputs of a portion
PATIENCE = 30  # seconds for a scheduler to answer

_workers: dict[tuple[str, str], Worker] = {}
_at_work = threading.Lock()  # one input at a time in a process: whoever kills it is known by name


def on_dask(
    plan: Plan,
    merged: Merged,
    scheduler: str | None,
    jobs: int,
    tell: Callable[[], None] = lambda: None,
) -> Iterator[Outcome]:
    """The outcomes of a plan that a Dask cluster works on.

    scheduler: its address, tcp://host:port, or its scheduler file; None starts a cluster of `jobs`
    processes here. All workers see the inputs and the output folder under the same paths. An input
    that kills its worker twice is quarantined by name, the others are done. UnavailableError where
    distributed is not installed, RestoreError where the scheduler does not answer, or ends.
    """
    with _client(scheduler, jobs) as client:
        hands = _Hands(plan, client)
        try:
            yield from told(plan, merged, hands.look, tell)
        finally:
            hands.let_go()


class _Hands:
    """The tasks that are out."""

    def __init__(self, plan: Plan, client: Any):
        work = copy(plan.work)
        work.settings = anywhere(work.settings)
        away = replace(plan, work=work, out=plan.out.absolute(), items=(), label="dask")
        self.plan, self.client = away, client
        threads = max(1, sum(client.nthreads().values()))
        size = max(1, min(MOST, len(plan.items) // (threads * PORTIONS)))
        items = [(name, source.absolute()) for name, source in plan.items]
        self.waiting = [items[i : i + size] for i in range(0, len(items), size)][::-1]
        self.threads, self.most = threads, AHEAD * threads
        self.out: dict[Any, list] = {}
        self.helping: list[Any] = []
        self.known: dict[Any, bool] = {}

    def look(self, settled: int) -> bool:
        """Hand out more, and see to what ended; whether anything is out.

        RestoreError where the cluster is gone.
        """
        if self.client.status not in ("running", "connecting"):
            raise RestoreError("the Dask scheduler is gone; run the same command again to go on")
        for future in [future for future in self.out if future.done()]:
            self._ended(future, self.out.pop(future))
        while self.waiting and len(self.out) < self.most:
            items = self.waiting.pop()
            future = self.client.submit(work_on, self.plan.of(items), pure=False)
            self.out[future] = items
        self._have_helped()
        return bool(self.out)

    def _have_helped(self) -> None:
        """Hand what has parts to those, too, that have nothing else to do: they do some of them."""
        idle = self.threads - len(self.out) - len(self.helping)
        if self.waiting or idle < 1:
            return
        shared = [[i for i in items if self._shareable(i[1])] for items in self.out.values()]
        for items in filter(None, shared):
            for _ in range(max(1, idle // len(shared))):
                self.helping.append(self.client.submit(work_on, self.plan.of(items), pure=False))

    def _shareable(self, source: Any) -> bool:
        if source not in self.known:
            self.known[source] = self.plan.work.shareable(source)
        return self.known[source]

    def let_go(self) -> None:
        """Take back what was not begun."""
        with suppress(Exception):  # the scheduler may be gone
            self.client.cancel([*self.out, *self.helping])

    def _ended(self, future: Any, items: list) -> None:
        if future.status == "finished":
            return
        if future.status in ("cancelled", "lost"):
            raise RestoreError("the Dask scheduler is gone; run the same command again to go on")
        error = future.exception()
        if type(error).__name__ != "KilledWorker":
            raise error
        if len(items) > 1:
            self.waiting += [[item] for item in items]
        else:
            self._quarantine(*items[0])

    def _quarantine(self, name: str, source: Any) -> None:
        """Blame an input that killed all workers that the scheduler let it have."""
        plan, mark = self.plan, self.plan.identity.mark
        ledger = Ledger(RunFolder(plan.out).ledger, worker_name("dask-driver"), mark)
        made_of = origin(source, replace(plan.work.settings, mark=mark))
        reason = f"{source}: killed every Dask worker that had it; it is not tried again"
        about = {"name": name, "source": str(source), "reason": reason, "from": made_of}
        ledger.append(QUARANTINED, **about)
        ledger.close()


def work_on(plan: Plan) -> None:
    """A task: a worker of this process, which keeps its prior, works on some inputs of a plan."""
    key = str(plan.out), plan.identity.mark
    with _at_work:
        worker = _workers.get(key)
        if worker is None or not worker.ledger.present():
            _workers.clear()  # one run at a time keeps its prior in memory
            worker = _workers[key] = Worker(plan)
        worker.plan = replace(plan, work=worker.plan.work)
        for _ in worker.outcomes():
            pass


@contextmanager
def _client(scheduler: str | None, jobs: int) -> Iterator[Any]:
    try:
        from distributed import Client, LocalCluster
    except ImportError:
        raise UnavailableError(
            "the engine dask needs distributed: pip install restore-toolbox[dask]"
        ) from None
    if scheduler is None:
        own = {"host": "127.0.0.1", "dashboard_address": None, "silence_logs": logging.CRITICAL}
        with LocalCluster(jobs, threads_per_worker=1, **own) as cluster, Client(cluster) as client:
            yield client
        return
    where = {"address": scheduler} if "://" in scheduler else {"scheduler_file": scheduler}
    try:
        client = Client(**where, timeout=PATIENCE, set_as_default=False)
    except (OSError, TimeoutError, ValueError):
        raise RestoreError(f"no Dask scheduler answers at {scheduler}") from None
    with client:
        _wait_for_workers(client, scheduler)
        yield client


def _wait_for_workers(client: Any, scheduler: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not client.nthreads():
        if time.monotonic() > deadline:
            raise RestoreError(f"the Dask scheduler at {scheduler} has no workers")
        time.sleep(0.2)
