"""The account of a whole from those of its parts: pieces, frames, slices."""

from collections.abc import Mapping, Sequence
from typing import Any

from ..answers.answering import Answer
from ..answers.sequence import Restored
from ..merit.doubts import MISFIT, refuse_absurd
from ..problem import Problem
from .facts import compared, merit, misfits_of

NAMED = 5  # slices that a line names


def mean_merit(merits: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The means over the frames of a sequence; None where a figure is not known of all."""
    metrics = [each["metrics"] for each in merits]
    return {
        "metrics": {
            of: {name: _mean([each[of][name] for each in metrics]) for name in named}
            for of, named in metrics[0].items()
        },
        "coverage_of_90%_intervals": _mean([m["coverage_of_90%_intervals"] for m in merits]),
    }


def of_pieces(accounts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The account of a file from those of its pieces: the first, with what adds up."""
    first = dict(accounts[0])
    for key in ("seconds", "calls"):
        first[key] = round(sum(account[key] for account in accounts), 3)
    first["chi_square"] = _mean([account["chi_square"] for account in accounts])
    return {**first, "facts": {**first["facts"], "pieces": len(accounts)}}


class Slices:
    """What the slices of a volume tell of it, one after the other."""

    def __init__(self) -> None:
        self.seconds, self.calls = 0.0, 0
        self.intervals: set[str | None] = set()
        self.misfits: list[list[float]] = []
        self.merits: list[dict[str, Any]] = []

    def add(self, found: Answer) -> None:
        """Take in a slice. RestoreError for one that does not explain its data at all."""
        made = found.posterior.provenance
        self.seconds, self.calls = self.seconds + made["seconds"], self.calls + made["calls"]
        self.intervals.add(made.get("intervals"))
        self.misfits.append(misfits_of(found.problem, found.posterior))
        refuse_absurd(self.misfits[-1])
        if found.problem.reference is not None:
            self.merits.append(merit(found))

    def account(self, problem: Problem, done: Restored, shown: Mapping[str, Any]) -> dict[str, Any]:
        """The account of the volume; shown: that of the slice which the report shows."""
        each = [_mean(misfits) for misfits in self.misfits if misfits]
        found = {
            **shown,
            "seconds": round(self.seconds, 3),
            "calls": self.calls,
            "chi_square": _mean(each) if each else None,
            "chi_square_of_samples": [_mean(chain) for chain in zip(*self.misfits)],
            "doubts": [*shown["doubts"], *_misfitting(each)],
        }
        if len(self.intervals) > 1:
            found["intervals"] = f"of each slice its own, of the middle one {shown['intervals']}"
        if self.merits:
            found |= {
                "metrics": compared(problem, done.compared),
                "coverage_of_90%_intervals": mean_merit(self.merits)["coverage_of_90%_intervals"],
                "reliability": _reliability([one["reliability"] for one in self.merits]),
            }
        return found


def _misfitting(misfits: Sequence[float]) -> list[str]:
    """A line on the slices that do not explain their data, where others do."""
    bad = [str(k) for k, misfit in enumerate(misfits) if misfit > MISFIT]
    if not bad or len(bad) == len(misfits):
        return []
    more = ", ..." if len(bad) > NAMED else ""
    return [f"{len(bad)} of {len(misfits)} slices have a misfit above {MISFIT:g}, where about 1 is "
            f"right: number {', '.join(bad[:NAMED])}{more}, from 0"]  # fmt: skip


def _reliability(curves: Sequence[Mapping[str, Any] | None]) -> dict[str, Any] | None:
    """The mean of curves over slices of one size: that of all their values."""
    if None in curves:
        return None
    names = curves[0].keys() - {"levels"}
    means = {name: [_mean(shares) for shares in zip(*(c[name] for c in curves))] for name in names}
    return {"levels": curves[0]["levels"], **means}


def _mean(values: Sequence[float | None]) -> float | None:
    return None if None in values else sum(values) / len(values)
