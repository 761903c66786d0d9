"""Record: a file's contents. Task: a problem to solve. Recipe: how the first becomes the second."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from torch import Generator, Tensor

from ..errors import UsageError
from ..measurement.measurement import Measurement
from ..measurement.operator import Operator
from ..priors.prior import Prior
from ..sampling.held_out import Split

# values through the network that a run takes by its own choice: about half an hour of one core
WORK = 10**9
FEWEST_CHAINS, FEWEST_STEPS = 2, 10  # that it goes down to for that


@dataclass(frozen=True)
class Record:
    """A file's contents: its signal, and what a writer needs to write the like of it."""

    signal: Tensor  # (channels, *size), float32, in the domain's units (images: 0 to 1)
    kind: str  # "image", "kspace", "speech", ...: what the signal is
    source: Path | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)  # the reader's own; kept for the writer

    def with_signal(self, signal: Tensor) -> "Record":
        """The record with another signal in it."""
        return replace(self, signal=signal)


class Pieces(ABC):
    """A long file as overlapping records, and what joins those that are made of them."""

    formats: tuple[str, ...] = ()  # extensions of files that can hold all of them; none: any

    @abstractmethod
    def __iter__(self) -> Iterator[Record]:
        """The records, one after the other; only one needs to be held."""

    @abstractmethod
    def joined(self, folder: Path) -> AbstractContextManager[Callable[[str, Record], None]]:
        """What writes into the folder: called with a file's name and each piece's record of it."""


@dataclass(frozen=True)
class Sound:
    """A recording, or a part of it, as a browser plays it."""

    data: bytes
    type: str  # "audio/flac"
    words: str = ""  # what part it is


@dataclass(frozen=True)
class SamplerChoice:
    """A registered sampler, and how it is to run on the task."""

    name: str  # the user may name another, which then runs with its own options and schedule
    steps: int = 50
    steps_alone: int | None = None  # of a single chain, where that is to be the mean; None: steps
    mean_at_once: bool = False  # whether one chain of one step is the posterior mean
    chains: int = 8  # where the user asks for no number of them
    options: Mapping[str, Any] = field(default_factory=dict)  # its keyword arguments
    schedule: Callable[[int], Tensor] | None = None  # steps -> noise levels; None: the sampler's
    candidate_options: Sequence[Mapping[str, Any]] = ()  # the held-out split tells the best of them
    init: Tensor | None = None  # (*in_shape), a first guess, for a warm start
    sigma_start: float | None = None  # the noise level that the first guess is given

    def for_size(self, values: int, chains: int | None, steps: int | None) -> "SamplerChoice":
        """The choice for a signal of so many values: where they are many, fewer chains, then steps.

        All that a run takes through the network, chains * steps * values, is to stay near WORK.
        chains, steps: what the user asks for, which stands.
        """
        many, long = chains or self.chains, steps or self.steps
        if chains is None:
            many = max(min(FEWEST_CHAINS, many), min(many, WORK // (values * long)))
        if steps is None:
            long = max(min(FEWEST_STEPS, long), min(long, WORK // (values * many)))
        return replace(
            self,
            chains=self.chains if chains else many,
            steps=self.steps if steps else long,
            steps_alone=None if self.steps_alone is None else min(self.steps_alone, long),
        )


@dataclass(frozen=True)
class Comparison:
    """The records that the report sets beside the answer, and how all of them are seen."""

    input_shown: Record | None = None  # what to show as the input; None: the file's own signal
    reference: Record | None = None  # the truth, where the file itself holds it
    # (signal, generator) -> a draw of the reference, noise and all, were this signal the truth
    noisy_reference: Callable[[Tensor, Generator], Record] | None = None
    baselines: Mapping[str, Callable[[], Tensor]] = field(default_factory=dict)  # classical answers
    views: Callable[[Record], Mapping[str, Tensor]] | None = None  # (channels, y, x), 0 to 1 each
    # (the records by name, the samples) -> more pictures; "difference" is signed, "std" in colour
    further: Callable[[Mapping[str, Record], Sequence[Record]], Mapping[str, Tensor]] | None = None
    sound: Callable[[Record], Sound] | None = None  # what a player on the page plays of a record


@dataclass(frozen=True)
class Frames:
    """A sequence, or a volume by slices: tasks of one kind, of which one is shown in the report.

    Their records are of one frame, (channels, 1, *size), the whole is (channels, count, *size).
    The slices of a volume are signals of the like, (channels, 1, *size), too; none leans on another
    or on its noise, and what is written of arrays is (channels, count, *size).
    """

    count: int
    shown: int  # the number of the task's own frame
    whole: Record  # the measured file; what is restored is a record like it
    task: Callable[[int], "Task"]  # of each frame
    sigma_start: float | None = None  # noise for the frame before to begin from; None: from noise
    # (number, mean of the frame before) -> what a frame begins from; None: that mean
    carried: Callable[[int, Tensor], Tensor] | None = None
    volume: bool = False  # the frames are slices of one
    at_once: Callable[[], "Task"] | None = None  # all slices, for what ties them to one another
    finish: Callable[[Record], Record] = lambda record: record  # what is written, of one of all


@dataclass(frozen=True)
class Task:
    """A measurement to restore, with the prior that suits it and the way back to a file."""

    measurement: Measurement
    prior: str  # the recipe's choice of a registered prior; the user may name another
    sampler: SamplerChoice
    present: Callable[[Tensor], Record]  # one signal of the prior's space -> a file's contents
    adapt_prior: Callable[[Prior], Prior] = lambda prior: prior  # to these signals: slices, volumes
    # the task as a prior of this kind, before it is adapted, has it solved; None: as any other
    suited: Callable[[Prior], "Task"] | None = None
    held_out_split: Callable[[], Split] | None = (
        None  # tells the spread of the samples, and options
    )
    pose_with_prior: Callable[[Prior], "Task"] | None = None  # what cannot be posed without a prior
    comparison: Comparison = Comparison()
    # further records of a signal, written and shown beside the restored one: what was taken out
    parts: Mapping[str, Callable[[Tensor], Record]] = field(default_factory=dict)
    frames: Frames | None = None  # the sequence that the task is one frame of
    facts: Mapping[str, Any] = field(default_factory=dict)  # for the report: what was inferred
    # what of the operator a calibration of intervals depends on: its strengths as numbers, its kind
    # in words; None: no calibration is for the task
    degradation: Mapping[str, float | str] | None = None
    format: str | None = None  # the extension of what is written; None: the input's

    def with_facts(self, facts: Mapping[str, Any]) -> "Task":
        """The task with more facts for its report."""
        return replace(self, facts={**self.facts, **facts})

    def of_mean(self, sampler: str | None) -> "Task":
        """The task whose answer is the mean alone, for a user who names this sampler, or none.

        UsageError where one network call does not give the mean.
        """
        if not self.sampler.mean_at_once or sampler not in (None, self.sampler.name):
            raise UsageError(
                "--mean-only is for tasks whose mean is one network call, as of exact-score; this "
                f"one is sampled by {sampler or self.sampler.name}"
            )
        return self.with_facts({"mean": "of the posterior, by one network call: no samples"})

    def compared_with(
        self,
        reference: Record,
        noisy_reference: Callable[[Tensor, Generator], Record] | None = None,
    ) -> "Task":
        """The task with its truth, and with draws of the truth where that holds noise."""
        known = {"reference": reference, "noisy_reference": noisy_reference}
        return replace(self, comparison=replace(self.comparison, **known))


def by_slices(whole: Record, task: Callable[[slice], Task]) -> Task:
    """A volume of slices that are restored one by one, as the task of its middle one.

    All at once where the prior is one of volumes, or the sampler ties slices to one another.

    whole: a record like the restored one, (channels, slices, *size). task: of some slices; its
    signals and its records are (channels, slices, *size) of these.
    """
    count = whole.signal.shape[1]
    if count == 1:
        return task(slice(None))

    def one(k: int) -> Task:
        return task(slice(k, k + 1))

    at_once = partial(task, slice(None))
    frames = Frames(count, count // 2, whole, one, volume=True, at_once=at_once)
    return replace(one(count // 2), frames=frames)


@dataclass(frozen=True)
class Recipe:
    """One kind of restoration.

    solve(record, noise, **options) -> Task: the measured file becomes a problem. noise is the
    standard deviation in units of the full range, or None where the user gave none: the recipe
    refuses it (ValueError) or has a noise of its own to use. Where noise_maps it may be a tensor of
    the signal's shape, with one channel for all or as many.
    estimate_noise(record, **options) -> float: what `--noise auto` stands for; of the options of
    solve those that it names as its own keywords.
    observe(record, **options) -> Operator: what `restore simulate` does to a clean file.
    degraded(record, operator, y) -> Mapping name -> Record: the files that simulate writes.
    simulate(record, noise, seed, **options) -> the same Mapping, in place of observe and degraded,
    where noise is not white and Gaussian; noise is None where the user gave none.
    Keyword-only options of both become flags; their annotations and defaults are the flags' types.
    """

    solve: Callable[..., Task]
    observe: Callable[..., Operator] | None = None
    degraded: Callable[[Record, Operator, Tensor], Mapping[str, Record]] | None = None
    estimate_noise: Callable[..., float] | None = None  # for --noise auto
    simulate: Callable[..., Mapping[str, Record]] | None = None
    noise_maps: bool = False  # whether solve takes a tensor, a standard deviation for each value
    # (path, chains) -> a file too long to be held as a whole; None: it can be read
    pieces: Callable[[Path, int], Pieces | None] | None = None
    slices: bool = False  # whether tasks may be volumes by slices, or cines
