"""What a worker is to do, and what is known of it from what all workers wrote."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import RestoreError, UsageError
from ..files.runs.identity import Identity, looks, origin
from ..files.runs.ledger import DONE, FAILED, QUARANTINED, Merged
from ..files.runs.outputs import REPORT, Outcome, report_of
from .program import say

if TYPE_CHECKING:
    from .batch import Work


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
    together: int = 1  # inputs that are prepared at once

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
        return Outcome(source, error=failure(facts["reason"], facts))

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


def failure(reason: str, facts: Mapping[str, Any]) -> RestoreError:
    """The error that an input met, as the ledger keeps it."""
    return UsageError(reason) if facts.get("usage") else RestoreError(reason)
