"""A calibration: how wide intervals have to be, measured on files, and for which runs it was made.

It is one small JSON file, `calibration-NAME.json` beside a prior, and it is used by itself where a
run lies inside what it was made for.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from ...atomic import write_text
from ...errors import WeightsError
from ...untrusted.schema import (
    fields,
    integer,
    number,
    one_of,
    plain,
    several,
    table,
    text,
)
from ...untrusted.strict_json import read_json
from .conformal import factors_at

FORMAT, PATTERN = 1, "calibration-*.json"
NEAR = 0.01  # a strength may lie so much of itself beyond a range: kernels and masks are rounded
Strength = float | str  # a number that a run may vary in, or a word that it must share

_LINE = text(r"[^\x00-\x1f\x7f]*", most=300, what="a line of words")
_RANGE = several(number(0.0, 1e9), 2, 2)


def _strength(value: Any, where: str) -> Any:
    return _LINE(value, where) if isinstance(value, str) else _RANGE(value, where)


_FIELDS = fields(
    {
        "format": one_of(FORMAT),
        "recipe": _LINE,
        "prior": _LINE,
        "prior_sha256": text(r"[0-9a-f]{64}|", what="a sha256 of 64 digits"),
        "sampler": _LINE,
        "options": table(_LINE, plain(1, 2, 300), 0, 50),
        "steps": integer(1, 100_000),
        "chains": integer(2, 100_000),
        "noise": _RANGE,
        "operator": table(_LINE, _strength, 0, 20),
        "files": integer(1, 10**7),
        "data": _LINE,
        "level": number(0.0, 1.0),
        "covered": several(number(0.0, 1.0), 2, 2),
        "deviations": several(number(above=0.0, high=1e12), 1, 100),
        "factors": several(number(above=0.0, high=1e9), 1, 100),
    }
)


@dataclass(frozen=True)
class Run:
    """What a calibration asks of a run, before it begins."""

    recipe: str
    prior: str
    prior_sha256: str  # "" of a prior without weights
    sampler: str
    options: Mapping[str, Any]  # of the sampler
    steps: int
    chains: int
    noise: float  # a standard deviation, in the signal's units
    operator: Mapping[str, Strength]  # its kind in words, its strengths in numbers


@dataclass(frozen=True)
class Calibration:
    """Factors by local deviation, and the runs that they are for."""

    recipe: str
    prior: str
    prior_sha256: str
    sampler: str
    options: Mapping[str, Any]
    steps: int
    chains: int
    noise: Sequence[float]  # from, to
    operator: Mapping[str, Any]  # a word, or from, to
    files: int
    data: str
    level: float  # of the intervals that hold on average
    covered: Sequence[float]  # of the values of those files: as sampled, as calibrated
    deviations: Sequence[float]  # of the samples, rising
    factors: Sequence[float]  # at these deviations

    def width(self, deviation: Tensor) -> Tensor:
        """The factor of each value by the deviation of its samples."""
        return factors_at(deviation, self.deviations, self.factors)

    def lacks(self, run: Run) -> list[str]:
        """Why the calibration is not for a run, each in words; none where it is."""
        same = ("recipe", "prior_sha256", "sampler", "options", "steps", "chains")
        wrong = [
            f"{name.replace('_', ' ')} {_said(getattr(run, name))}, not "
            f"{_said(getattr(self, name))}"
            for name in same
            if getattr(run, name) != getattr(self, name)
        ]
        if not _inside(run.noise, self.noise):
            wrong.append(f"noise {run.noise:.3g}, not {_said(self.noise)}")
        return wrong + list(self._lacks_of_operator(run.operator))

    def _lacks_of_operator(self, operator: Mapping[str, Strength]) -> Iterator[str]:
        for name in sorted({*operator, *self.operator}):
            mine, theirs = self.operator.get(name), operator.get(name)
            fits = mine == theirs
            if isinstance(mine, Sequence) and isinstance(theirs, float):
                fits = isinstance(mine, str) is False and _inside(theirs, mine)
            if not fits:
                yield f"{name} {_said(theirs)}, not {_said(mine)}"

    @property
    def words(self) -> str:
        """calibrated on 40 files (BSDS500): blur 1 to 3, noise 0.01 to 0.1."""
        strengths = [f"{name} {_said(value)}" for name, value in self.operator.items()]
        made_for = ", ".join([*strengths, f"noise {_said(self.noise)}"])
        return f"calibrated on {self.files} files ({self.data}): {made_for}"


def read_calibration(path: Path) -> Calibration:
    """WeightsError, in one line that names the file, for one that is no calibration."""
    found = read_json(path, "a calibration")
    try:
        found = _FIELDS(found, "")
        if len(found["deviations"]) != len(found["factors"]):
            raise ValueError("deviations and factors must be equally many")
        if any(a >= b for a, b in zip(found["deviations"], found["deviations"][1:])):
            raise ValueError("deviations must rise")
    except ValueError as error:
        raise WeightsError(f"{path} is no calibration: {error}") from None
    found.pop("format")
    return Calibration(**found)


def write_calibration(path: Path, calibration: Calibration) -> None:
    """Write the JSON, whole or not at all."""
    write_text(path, json.dumps({"format": FORMAT, **asdict(calibration)}, indent=2) + "\n")


def calibrations_in(folder: Path | None) -> list[Calibration]:
    """All that lie in a prior's folder, in order of name. WeightsError for a damaged one."""
    return [] if folder is None else [read_calibration(p) for p in sorted(folder.glob(PATTERN))]


def _inside(value: float, ends: Sequence[float]) -> bool:
    low, high = ends
    return low * (1 - NEAR) <= value <= high * (1 + NEAR)


def _said(value: Any) -> str:
    if value is None:
        return "unknown"
    if isinstance(value, (list, tuple)):
        low, high = (f"{one:.3g}" for one in value)
        return low if low == high else f"{low} to {high}"
    if isinstance(value, Mapping):
        return ", ".join(f"{k}={v}" for k, v in value.items()) or "none"
    return f"{value:.3g}" if isinstance(value, float) else str(value)[:40]
