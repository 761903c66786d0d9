"""Record: a file's contents. Task: a problem to solve. Recipe: how the first becomes the second."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from torch import Generator, Tensor

from ..measurement.measurement import Measurement
from ..measurement.operator import Operator
from ..priors.prior import Prior
from ..sampling.held_out import Split


@dataclass(frozen=True)
class Record:
    """What a reader found in a file, and what a writer needs to write the like of it."""

    signal: Tensor  # (channels, *size), float32, in the domain's units (images: 0 to 1)
    kind: str  # "image", "kspace", "speech", ...: what the signal is
    source: Path | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)  # the reader's own; kept for the writer

    def with_signal(self, signal: Tensor) -> "Record":
        """The same file with another signal in it."""
        return replace(self, signal=signal)


@dataclass(frozen=True)
class Task:
    """A measurement to restore, with the prior that suits it and the way back to a file."""

    measurement: Measurement
    prior: str  # the recipe's choice of a registered prior; the user may name another
    sampler: str  # the recipe's default
    present: Callable[[Tensor], Record]  # one signal of the prior's space -> a file's contents
    steps: int = 50
    options: Mapping[str, Any] = field(default_factory=dict)  # of the sampler
    schedule: Callable[[int], Tensor] | None = None  # of the sampler: noise levels of so many steps
    facts: Mapping[str, Any] = field(default_factory=dict)  # for the report: what was inferred
    init: Tensor | None = None  # a first guess, for a warm start
    sigma_start: float | None = None
    adapt: Callable[[Prior], Prior] = lambda prior: prior  # to these signals: slices of volumes
    prepare: Callable[[Prior], "Task"] | None = None  # what can be posed with its prior only
    reference: Record | None = None  # the truth, where the file itself holds it
    predict: Callable[[Tensor, Generator], Record] | None = (
        None  # a draw of a noisy reference, were this signal the truth
    )
    split: Callable[[], Split] | None = None  # what to keep back to tell the samples' spread by
    tries: Sequence[Mapping[str, Any]] = ()  # options of the sampler, to be told apart by it, too
    before: Record | None = None  # what to show as the input; None: the file's own signal
    views: Callable[[Record], Mapping[str, Tensor]] | None = (
        None  # pictures (channels, y, x), 0 to 1
    )
    baselines: Mapping[str, Callable[[], Tensor]] = field(default_factory=dict)  # classical answers
    format: str | None = None  # the extension of what is written; None: the input's


@dataclass(frozen=True)
class Recipe:
    """One kind of restoration.

    solve(record, noise, **options) -> Task: the measured file becomes a problem. noise is the
    standard deviation in units of the full range, or None where the user gave none: the recipe
    refuses it (ValueError) or has a noise of its own to use.
    observe(record, **options) -> Operator: what `restore simulate` does to a clean file.
    degraded(record, operator, y) -> Mapping name -> Record: the files that simulate writes.
    simulate(record, noise, seed, **options) -> the same Mapping, in place of observe and degraded,
    where noise is not white and Gaussian; noise is None where the user gave none.
    Keyword-only options of both become flags; their annotations and defaults are the flags' types.
    """

    solve: Callable[..., Task]
    observe: Callable[..., Operator] | None = None
    degraded: Callable[[Record, Operator, Tensor], Mapping[str, Record]] | None = None
    estimate_noise: Callable[[Record], float] | None = None  # for --noise auto
    simulate: Callable[..., Mapping[str, Record]] | None = None
