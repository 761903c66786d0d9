"""A file becomes a problem to solve; all that can be wrong with it is found before the long run."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from ..errors import UsageError
from ..measurement.checks import sizes
from ..measurement.noise import Gaussian
from ..plugins.discovery import catalog
from ..plugins.options import options_of, parsed
from ..plugins.registry import Entry, unknown
from ..priors.prior import Prior
from ..samplers.base import contract_of
from ..sampling import by_name
from ..sampling.by_name import Chosen
from .by_extension import find, read, suffix
from .merit.evaluating import reference_for
from .merit.figures import Metric, metrics_of
from .task import Recipe, Record, SamplerChoice, Task

CONDITIONS = ("label", "prompt", "negative_prompt", "guidance")


@dataclass(frozen=True)
class Sampling:
    """How the samples are drawn."""

    chains: int | None = None  # None: the recipe's
    seed: int = 0
    steps: int | None = None  # None: the recipe's
    sampler: str | None = None
    sampler_options: Mapping[str, str] = field(default_factory=dict)  # as text
    prior: str | None = None  # a name, or a folder
    label: int | None = None  # of a class, for a prior that is conditional
    prompt: str | None = None  # for a prior that is told texts
    negative_prompt: str | None = None
    guidance: float | None = None  # of the prompt, classifier-free; None: 1, by no such
    device: str = "auto"
    precision: str = "auto"
    mean_only: bool = False  # by one network call, where that is the posterior mean
    held_out: bool = True  # keep data back to tell the spread of the samples, and options, by
    # the file of one, "none"; None: what lies beside the prior, where it is for the run
    calibration: str | Path | None = None

    def on(self, choice: SamplerChoice) -> "Sampling":
        """The sampling with the recipe's chains and steps where the user named none."""
        if self.mean_only:
            return replace(self, chains=1, steps=1)
        chains = choice.chains if self.chains is None else self.chains
        alone = chains == 1 and choice.steps_alone is not None
        own = choice.steps_alone if alone else choice.steps
        return replace(self, chains=chains, steps=own if self.steps is None else self.steps)

    @property
    def conditions(self) -> dict[str, Any]:
        """What a prior that is conditional is told."""
        told = {name: getattr(self, name) for name in CONDITIONS}
        return {name: value for name, value in told.items() if value is not None}


@dataclass(frozen=True)
class Outputs:
    """What is written beside the mean and the standard deviation, and how."""

    samples: bool = False  # every one of them
    baseline: str | None = None  # a classical answer to set beside ours
    format: str | None = None  # the extension of what is written; None: the task's or the input's


@dataclass(frozen=True)
class Settings:
    """What a run is asked for, alike for all its files."""

    recipe: str
    options: Mapping[str, Any] = field(default_factory=dict)  # of the recipe
    noise: float | str | Path | None = None  # "auto": estimated; a path: of a file of them
    reference: Path | None = None  # the truth: a file, or a folder of files of the same stem
    sampling: Sampling = Sampling()
    outputs: Outputs = Outputs()
    command: str = ""  # that asks for all this
    mark: str = ""  # of the run's identity (restore.files.runs.identity), once it is known
    made_of: Mapping[str, str] = field(default_factory=dict)  # hashes of the file under work

    @classmethod
    def of(cls, recipe: str, options: Mapping[str, Any] | None = None, **flags: Any) -> "Settings":
        """The settings of a recipe's options and of flags, by the names of all the fields above."""
        parts = {"sampling": Sampling, "outputs": Outputs}
        made = {
            name: part(**{f.name: flags.pop(f.name) for f in fields(part) if f.name in flags})
            for name, part in parts.items()
        }
        return cls(recipe, options or {}, **made, **flags)

    def on(self, device: str) -> "Settings":
        """The settings with a device of which "auto" was decided."""
        return replace(self, sampling=replace(self.sampling, device=device))


@dataclass(frozen=True)
class Problem:
    """A file that was read and understood, with the prior and the sampler that will restore it."""

    recipe: str
    source: Path
    record: Record
    task: Task
    prior: Prior  # adapted to the task's signals
    prior_name: str
    sampler: Chosen
    options: Mapping[str, Any]  # of the sampler
    writer: Entry
    format: str  # the extension of what is written
    noise_source: str  # "given", "estimated", or "recipe", which has its own
    beside: Path | None = None  # the prior's folder, with its calibrations
    reference: Record | None = None
    metrics: Mapping[str, Metric] = field(default_factory=dict)

    @property
    def noise(self) -> float | None:
        """The noise's std, its root mean square where values differ; None where not Gaussian."""
        noise = self.task.measurement.noise
        if not isinstance(noise, Gaussian):
            return None
        std = torch.as_tensor(noise.std)
        return std.square().mean().sqrt().item() if std.ndim else noise.std


def pose(
    source: Path, settings: Settings, load_prior: Callable[..., Prior] = by_name.load_prior
) -> Problem:
    """Read a file and make it a problem; raises what reader, recipe or an option refuse.

    settings: with "auto" decided for the device. load_prior: a name or folder, and
    conditions -> Prior.
    """
    record = read(source, catalog().entry("recipes", settings.recipe))
    return pose_record(source, record, settings, load_prior)


def pose_record(
    source: Path, record: Record, settings: Settings, load_prior: Callable[..., Prior]
) -> Problem:
    """What `pose` makes of a file, of a record that was read of it, or of a part of it."""
    entry = catalog().entry("recipes", settings.recipe)
    recipe: Recipe = catalog().load("recipes", settings.recipe)
    noise, noise_source = _noise(record, recipe, settings)
    task = _solve(recipe, record, noise, settings)
    baselines, wanted = task.comparison.baselines, settings.outputs.baseline
    if wanted not in (None, *baselines):
        raise UsageError(unknown("baseline", str(wanted), baselines))
    format = _format(source, task, settings)
    writer = find("writers", Path(f"restored{format}"), entry)
    prior_name = settings.sampling.prior or task.prior
    prior = load_prior(prior_name, **settings.sampling.conditions)
    beside = prior.folder
    task = task if task.suited is None else task.suited(prior)
    task = _at_once(task, prior, settings.sampling)
    task = task.of_mean(settings.sampling.sampler) if settings.sampling.mean_only else task
    task = _sized(task, settings.sampling)
    prior = task.adapt_prior(prior)
    sampler, options = _sampler(task, prior, settings.sampling)
    task = task.with_facts({"chosen": sampler.reason}) if sampler.reason else task
    problem = Problem(
        settings.recipe, source, record, task, prior, prior_name, sampler, options, writer, format,
        noise_source, beside,
    )  # fmt: skip
    if settings.outputs.format is not None:
        refuse_unwritable(problem)
    if settings.reference is not None:
        reference = read(reference_for(problem.source, settings.reference), entry)
        return _compared(problem, reference, entry)
    own = task.comparison.reference
    return problem if own is None else _compared(problem, own, entry)


def _at_once(task: Task, prior: Prior, asked: Sampling) -> Task:
    """A volume as a whole, where the prior or the sampler ties its slices to one another."""
    frames = task.frames
    if frames is None or frames.at_once is None:
        return task
    name = asked.sampler or task.sampler.name
    ties = None if name == "auto" else contract_of(by_name.load_sampler(name)).ties
    of_volumes = prior.shape is not None and len(prior.shape) > 3
    return frames.at_once() if of_volumes or ties in asked.sampler_options else task


def _sized(task: Task, asked: Sampling) -> Task:
    """The task with as many chains and steps as its size allows, and a word on it if they are few.

    What the user asks for stands.
    """
    values = math.prod(task.measurement.operator.in_shape)
    if task.frames is not None and task.frames.volume:
        values *= task.frames.count
    fitting = task.sampler.for_size(values, asked.chains, asked.steps)
    own, fit = asked.on(task.sampler), asked.on(fitting)
    if (own.chains, own.steps) == (fit.chains, fit.steps):
        return task
    size = f"{fit.chains} x {fit.steps} for {values / 1e6:.0f} million values"
    told = {"chains x steps": f"{size}; {own.chains} x {own.steps} of small ones"}
    return replace(task, sampler=fitting).with_facts(told)


def _sampler(task: Task, prior: Prior, asked: Sampling) -> tuple[Chosen, dict[str, Any]]:
    """The sampler that will run, and its options: the user's before the task's own."""
    chosen = by_name.sampler_for(
        asked.sampler or task.sampler.name, task.measurement, prior, asked.device
    )
    own = task.sampler.options if chosen.name == task.sampler.name else {}
    return chosen, {**own, **parsed(chosen.sampler, asked.sampler_options, chosen.name)}


def _format(source: Path, task: Task, settings: Settings) -> str:
    """The extension of the output, with its dot; a folder's is empty."""
    asked = settings.outputs.format
    if asked is None:
        return suffix(source) if task.format is None else task.format
    return asked if asked.startswith(".") else f".{asked}"


def refuse_unwritable(problem: Problem) -> None:
    """ValueError where the format cannot hold what will be made: an empty answer is written."""
    task, format = problem.task, problem.format
    empty = task.present(torch.zeros(task.measurement.operator.in_shape))
    if task.frames is not None and task.frames.volume:
        whole = task.frames.whole
        empty = whole.with_signal(empty.signal[:, :1].expand(whole.signal.shape))
    with TemporaryDirectory() as folder:
        target = Path(folder) / f"restored{format}"
        try:
            catalog().load("writers", problem.writer.name)(empty, target)
        except (ValueError, TypeError) as error:
            words = str(error).replace(str(target), f"{problem.source} as {format}")
            raise ValueError(words) from None


def _noise(record: Record, recipe: Recipe, settings: Settings) -> tuple[float | Tensor | None, str]:
    if isinstance(settings.noise, Path):
        return _noise_map(settings.noise, record, recipe, settings), "given"
    if settings.noise != "auto":
        return settings.noise, "recipe" if settings.noise is None else "given"
    estimate = estimated_noise(record, recipe, settings)
    if estimate is None:
        raise UsageError(f"{settings.recipe} cannot estimate the noise; give it, --noise 0.05")
    return estimate, "estimated"


def _noise_map(path: Path, record: Record, recipe: Recipe, settings: Settings) -> Tensor:
    """The standard deviation of every value, (1 or channels, *size), as a file has it."""
    if not recipe.noise_maps:
        raise UsageError(f"{settings.recipe} takes one noise for all values, not {path}")
    levels = read(path, catalog().entry("recipes", settings.recipe)).signal
    if levels.shape[1:] != record.signal.shape[1:] or len(levels) not in (1, len(record.signal)):
        raise ValueError(
            f"the noise {path} is {sizes(levels.shape)}, but {record.source} is "
            f"{sizes(record.signal.shape)}"
        )
    if levels.is_complex() or (levels < 0).any():  # finite, as all that is read
        raise ValueError(f"the noise {path} holds values that are no standard deviations")
    return levels


def estimated_noise(record: Record, recipe: Recipe, settings: Settings) -> float | None:
    """The recipe's estimate, told what it takes of the recipe's options; None where it has none."""
    if recipe.estimate_noise is None:
        return None
    taken = settings.options.keys() & options_of(recipe.estimate_noise)
    return recipe.estimate_noise(record, **{name: settings.options[name] for name in taken})


def _solve(
    recipe: Recipe, record: Record, noise: float | Tensor | None, settings: Settings
) -> Task:
    try:
        return recipe.solve(record, noise, **settings.options)
    except ValueError as error:
        if noise is None and "noise" in str(error):  # what the command line left out
            raise UsageError(str(error)) from None
        raise


def _compared(problem: Problem, reference: Record, recipe: Entry) -> Problem:
    """The problem with its reference and the metrics of the recipe's plugin."""
    task = problem.task
    frame = task.present(torch.zeros(task.measurement.operator.in_shape))
    size = (frame if task.frames is None else task.frames.whole).signal.shape
    if size != reference.signal.shape:
        raise ValueError(
            f"the reference {reference.source} is {sizes(reference.signal.shape)}, "
            f"but {problem.source} will be restored as {sizes(size)}"
        )
    metrics = metrics_of(recipe.plugin, reference)
    return replace(problem, reference=reference, metrics=metrics)
