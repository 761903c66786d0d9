"""A verdict on a sampler from its rows: it holds, is biased as documented, or fails.

What is documented is measured: `biases.json` has the figures of every sampler of the house on the
quick cases, written by `python -m benchmarks.biases`. A sampler that is right there has to be
right, one that is not may be as far off as it was, and no farther.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

from ..plugins.registry import Entry
from .verify import FLOOR, IGNORE, Row

HOLDS, BIASED, FAILS, UNTRIED = "holds", "biased as documented", "FAILS", "not tried"
FIGURES = ("mean_error", "observed", "unobserved")
MEAN = 0.15  # a mean so many deviations off holds
VARIANCE = 0.15  # a variance so far off in logarithm holds
CHANCE = 1.5  # of one over the root of the chains
SLACK = 1.5  # times as far off as documented is as documented
RARE = ("digits",)  # cases whose variance comes from points that are rarely drawn
LEAST = 0.05  # of a ratio of variances: below it samples have none, and it is not told how little


class Verdict(NamedTuple):
    sampler: str
    verdict: str
    why: str  # in words, with figures

    def facts(self) -> dict[str, Any]:
        return self._asdict()


@cache
def documented() -> Mapping[str, Mapping[str, Sequence[float | None]]]:
    """Sampler -> case -> its FIGURES, as measured."""
    return json.loads(files(__package__).joinpath("biases.json").read_text("utf-8"))["samplers"]


def verdicts(rows: Sequence[Row], entries: Sequence[Entry], chains: int) -> list[Verdict]:
    """One for each sampler, from all its rows; chains: the samples of each row."""
    floors = {row.case: row for row in rows if row.sampler == FLOOR}
    blind = {row.case: row for row in rows if row.sampler == IGNORE}
    of = {entry.name: [row for row in rows if row.sampler == entry.name] for entry in entries}
    return [_verdict(entry, of[entry.name], floors, blind, chains) for entry in entries]


def _verdict(
    entry: Entry,
    rows: Sequence[Row],
    floors: Mapping[str, Row],
    blind: Mapping[str, Row],
    chains: int,
) -> Verdict:
    broken = [row for row in rows if row.broken]
    if broken:
        return Verdict(entry.name, FAILS, f"{broken[0].case}: {broken[0].reason}")
    tried = [row for row in rows if not row.reason]
    if not tried:
        return Verdict(entry.name, UNTRIED, rows[0].reason if rows else "no case")
    known = documented().get(entry.name, {})
    far = [row for row in tried if _beyond(row, floors.get(row.case), chains)]
    if not far:
        return Verdict(entry.name, HOLDS, _words(tried))
    useless = [row for row in far if row.case not in known and _ignores(row, blind, chains)]
    if useless:
        return Verdict(entry.name, FAILS, f"{_words(useless)}; no nearer than what ignores y")
    worse = [row for row in far if not _allowed(row, entry, known, floors, chains)]
    if worse:
        return Verdict(entry.name, FAILS, f"{_words(worse)}{_told(worse[0], known)}")
    return Verdict(entry.name, BIASED, _words(far))


def _allowed(
    row: Row, entry: Entry, known: Mapping[str, Any], floors: Mapping[str, Row], chains: int
) -> bool:
    """Whether a row may be as far off as it is."""
    figures = known.get(row.case)
    if figures is None:  # a case, or a sampler, that was not measured: the label is what there is
        biased = any(_beyond_figures(one, chains) for one in known.values())
        return biased or str(entry.facts.get("exactness", "")).startswith("approximate")
    return not _beyond(row, floors.get(row.case), chains, figures)


def _ignores(row: Row, blind: Mapping[str, Row], chains: int) -> bool:
    """Whether a mean is no nearer than that of samples that ignore y, where these are far off."""
    other = blind.get(row.case)
    if other is None or other.mean_error is None or row.mean_error is None:
        return False
    return row.mean_error >= other.mean_error > MEAN + CHANCE / chains**0.5


def _beyond(
    row: Row, floor: Row | None, chains: int, allowed: Sequence[float | None] = (0.0, 1.0, 1.0)
) -> bool:
    """Whether the mean or a variance is farther off than allowed, and than chance explains."""
    chance = CHANCE / chains**0.5
    far = [(row.mean_error or 0.0) > SLACK * (allowed[0] or 0.0) + MEAN + chance]
    for name, right in zip(FIGURES[1:], allowed[1:]):
        ratio = getattr(row, name)
        by_chance = 0.0 if floor is None else abs(_log(getattr(floor, name)))
        if ratio is not None:
            room = SLACK * abs(_log(right)) + VARIANCE + chance + by_chance
            # a few samples of a posterior that is nearly one point have its rare others or none
            if ratio < 1 and row.case in RARE:
                continue
            far.append(not abs(_log(ratio)) <= room)
    return any(far)


def _beyond_figures(figures: Sequence[float | None], chains: int) -> bool:
    return _beyond(Row("", "", **dict(zip(FIGURES, figures))), None, chains)


def _log(ratio: float | None) -> float:
    """The logarithm of a ratio of variances; 0 where there is no ratio."""
    return 0.0 if ratio is None else math.log(max(ratio, LEAST))


def _words(rows: Sequence[Row]) -> str:
    mean = max(row.mean_error or 0.0 for row in rows)
    ratios = [r for row in rows for r in (row.observed, row.unobserved) if r is not None]
    spread = f", variance {min(ratios):.2f} to {max(ratios):.2f} of what is right" if ratios else ""
    cases = ", ".join(dict.fromkeys(row.case for row in rows))
    return f"mean {mean:.2f} deviations off at most{spread}; {cases}"


def _told(row: Row, known: Mapping[str, Sequence[float | None]]) -> str:
    """What is documented of a row's case."""
    figures = known.get(row.case)
    if figures is None:
        return "; said to be exact"
    shown = ", ".join("-" if one is None else f"{one:.2f}" for one in figures)
    return f"; documented for {row.case}: {shown}"


def biases(rows: Sequence[Row]) -> Iterator[tuple[str, str, list[float | None]]]:
    """(sampler, case, FIGURES) of rows, as `documented` has them."""
    for row in rows:
        if row.sampler not in (FLOOR, IGNORE) and not row.reason:
            figures = [getattr(row, name) for name in FIGURES]
            yield row.sampler, row.case, [f if f is None else float(f"{f:.3g}") for f in figures]
