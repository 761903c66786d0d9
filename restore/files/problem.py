"""A file becomes a problem to solve; all that can be wrong with it is found before the long run."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import UsageError
from ..measurement.noise import Gaussian
from ..plugins.discovery import catalog
from ..plugins.options import parsed
from ..plugins.registry import Entry, unknown
from ..sampling import by_name
from ..sampling.auto import choose
from .by_extension import find, read, suffix, taken
from .task import Recipe, Record, Task

Metric = Callable[[Tensor, Tensor], float | None]


@dataclass(frozen=True)
class Settings:
    """What a run is asked for, the same for all its files."""

    recipe: str
    options: Mapping[str, Any] = field(default_factory=dict)  # of the recipe
    chains: int = 8
    seed: int = 0
    steps: int | None = None  # None: the recipe's
    sampler: str | None = None
    sampler_options: Mapping[str, str] = field(default_factory=dict)  # as text
    prior: str | None = None  # a name, or a folder
    noise: float | str | None = None  # "auto": estimated
    reference: Path | None = None  # the truth: a file, or a folder of files of the same stem
    device: str = "auto"
    precision: str = "auto"
    samples: bool = False  # write them, too
    held_out: bool = True  # keep data back to tell the spread of the samples, and options, by
    baseline: str | None = None  # a classical answer to set beside ours
    format: str | None = None  # the extension of what is written; None: the task's or the input's
    command: str = ""  # that asks for all this

    @property
    def mark(self) -> str:
        """Tells runs apart whose results may differ: a hash of all but the device and the words."""
        asked = {k: v for k, v in asdict(self).items() if k not in ("device", "command")}
        asked["version"] = version("restore-toolbox")
        return hashlib.sha256(json.dumps(asked, sort_keys=True, default=str).encode()).hexdigest()


@dataclass(frozen=True)
class Problem:
    """A file that was read and understood."""

    source: Path
    record: Record
    task: Task
    sampler: str
    options: Mapping[str, Any]  # of the sampler
    prior: str
    writer: Entry
    format: str  # the extension of what is written
    noise_source: str  # "given", "estimated", or "recipe", which has its own
    reference: Record | None = None
    metrics: Mapping[str, Metric] = field(default_factory=dict)

    @property
    def noise(self) -> float | None:
        """The noise's std, its root mean square where values differ; None where not Gaussian."""
        noise = self.task.measurement.noise
        if not isinstance(noise, Gaussian):
            return None
        if isinstance(noise.std, float):
            return noise.std
        return noise.std.square().mean().sqrt().item()


def pose(source: Path, settings: Settings) -> Problem:
    """Read a file and make it a problem; raises what reader, recipe or an option refuse."""
    entry = catalog().entry("recipes", settings.recipe)
    recipe: Recipe = catalog().load("recipes", settings.recipe)
    record = read(source, entry)
    noise, noise_source = _noise(record, recipe, settings)
    task = _solve(recipe, record, noise, settings)
    sampler = settings.sampler or task.sampler.name
    if sampler == "auto":
        sampler, task = _chosen(task, settings)
    own = task.sampler.options if sampler == task.sampler.name else {}
    given = parsed(catalog().load("samplers", sampler), settings.sampler_options, sampler)
    if settings.baseline not in (None, *task.comparison.baselines):
        raise UsageError(unknown("baseline", str(settings.baseline), task.comparison.baselines))
    format = _format(source, task, settings)
    problem = Problem(
        source,
        record,
        task,
        sampler,
        {**own, **given},
        settings.prior or task.prior,
        find("writers", Path(f"restored{format}"), entry),
        format,
        noise_source,
    )
    if settings.reference is not None:
        reference = read(_reference(problem.source, settings.reference), entry)
        return _compared(problem, reference, entry)
    reference = task.comparison.reference
    return problem if reference is None else _compared(problem, reference, entry)


def _format(source: Path, task: Task, settings: Settings) -> str:
    """The extension of the output, with its dot; a folder's is empty."""
    if settings.format is None:
        return suffix(source) if task.format is None else task.format
    return settings.format if settings.format.startswith(".") else f".{settings.format}"


def _noise(record: Record, recipe: Recipe, settings: Settings) -> tuple[float | None, str]:
    if settings.noise != "auto":
        return settings.noise, "recipe" if settings.noise is None else "given"
    if recipe.estimate_noise is None:
        raise UsageError(f"{settings.recipe} cannot estimate the noise; give it, --noise 0.05")
    return recipe.estimate_noise(record), "estimated"


def _chosen(task: Task, settings: Settings) -> tuple[str, Task]:
    """The sampler that suits the problem, and the task with the reason among its facts."""
    prior = task.adapt_prior(by_name.load_prior(settings.prior or task.prior))
    name, reason = choose(task.measurement, prior)
    return name, task.with_facts({"chosen": f"{name}: {reason}"})


def _solve(recipe: Recipe, record: Record, noise: float | None, settings: Settings) -> Task:
    try:
        return recipe.solve(record, noise, **settings.options)
    except ValueError as error:
        if noise is None and "noise" in str(error):  # what the command line left out
            raise UsageError(str(error)) from None
        raise


def _compared(problem: Problem, reference: Record, recipe: Entry) -> Problem:
    """The problem with its reference and the metrics of the recipe's plugin."""
    task = problem.task
    size = task.present(torch.zeros(task.measurement.operator.in_shape)).signal.shape
    if size != reference.signal.shape:
        raise ValueError(
            f"the reference {reference.source} is {_sizes(reference.signal.shape)}, "
            f"but {problem.source} will be restored as {_sizes(size)}"
        )
    entries = catalog().registry("metrics")
    names = [entry.name for entry in entries if entry.plugin in (recipe.plugin, "restore")]
    metrics = {name: catalog().load("metrics", name) for name in names}
    return replace(problem, reference=reference, metrics=metrics)


def _reference(source: Path, given: Path) -> Path:
    """The file of a folder that has the source's stem, or is called as the folder it lies in."""
    if not given.is_dir():
        return given
    files = [path for path in sorted(given.iterdir()) if path.is_file() and taken(path)]
    for stem in (source.stem, source.resolve().parent.name):
        for path in files:
            if path.stem == stem:
                return path
    raise FileNotFoundError(f"the folder {given} holds no reference for {source}")


def _sizes(shape: torch.Size) -> str:
    return "x".join(str(n) for n in shape)
