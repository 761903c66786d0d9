"""Clean files become a calibration: each is degraded, restored, and compared with itself."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ...errors import UsageError
from ...plugins.discovery import catalog
from ...plugins.options import options_of
from ...priors.prior import Prior
from ...sampling.devices import usable
from ..by_extension import find, read, suffix
from ..merit.calibration import Calibration, Run
from ..merit.conformal import LEAST, factors_at, factors_by_deviation, least_files
from ..merit.coverage import half_width
from ..problem import Problem, Sampling, Settings, pose
from ..simulating import degraded
from ..task import Record
from .answering import answer
from .widths import NONE, described

RANGE = re.compile(r"(\d*\.?\d+)\.\.(\d*\.?\d+)")  # 1..3 in an option: drawn anew for each file
SAME = 1e-6  # of a value: what rounding leaves between a file and the signal in it


@dataclass(frozen=True)
class CalibrationPlan:
    """What is degraded how, and restored how."""

    recipe: str
    options: Mapping[str, str]  # of the recipe's degradation, with ranges such as gaussian:1..3
    noise: str  # a standard deviation or a range
    sampling: Sampling = field(default_factory=Sampling)
    level: float = 0.9  # of the intervals
    files: int = 40  # at most
    crop: int | None = None  # side of the square that is cut from the middle of each
    data: str = "files"  # what they are, in words


class Compared(NamedTuple):
    """One file's values: how far the truth is, in half-widths, and how far samples deviate."""

    run: Run
    ratios: Tensor
    deviations: Tensor


def calibrate(
    sources: Sequence[Path],
    plan: CalibrationPlan,
    load_prior: Callable[..., Prior],
    report: Callable[[str], None] = lambda line: None,
) -> Calibration:
    """The calibration of a recipe on clean files; ranges are drawn evenly, and logarithmically.

    report: told of each file when it is done. ValueError for too few files; UsageError for a recipe
    that cannot be calibrated.
    """
    least, chosen = least_files(plan.level), _evenly(sources, plan.files)
    if len(chosen) < least:
        raise ValueError(
            f"intervals of {plan.level:.0%} are calibrated on {least} files or more, not on "
            f"{len(chosen)}"
        )
    sampling = replace(
        plan.sampling, held_out=False, calibration=NONE, device=usable(plan.sampling.device)
    )
    shares = _shares(len(plan.options) + 1, len(chosen), sampling.seed)
    found = []
    for i, source in enumerate(chosen):
        drawn = [share[i] for share in shares]
        seeded = replace(sampling, seed=sampling.seed + i)
        found.append(_compared(source, plan, seeded, drawn, load_prior))
        inside = (found[-1].ratios <= 1).double().mean().item()
        report(f"{i + 1} of {len(chosen)}, {source.name}: {inside:.0%} inside")
    return _calibration(found, plan)


def in_range(text: str, share: float) -> str:
    """The text with a number in place of each low..high, `share` of the way, logarithmically."""

    def number(match: re.Match[str]) -> str:
        low, high = (float(end) for end in match.groups())
        if not 0 < low <= high:
            raise UsageError(f"a range rises from above 0, such as 1..3: {match[0]}")
        return f"{low * (high / low) ** share:.6g}"

    return RANGE.sub(number, text)


def _evenly(sources: Sequence[Path], count: int) -> list[Path]:
    """At most `count` of the files, spread over all."""
    if len(sources) <= count:
        return list(sources)
    return [sources[i * len(sources) // count] for i in range(count)]


def _shares(ranges: int, files: int, seed: int) -> list[list[float]]:
    """For each range the places in it of all files: evenly spread, both ends among them."""
    generator = torch.Generator().manual_seed(seed)
    even = torch.linspace(0, 1, files, dtype=torch.float64)
    return [even[torch.randperm(files, generator=generator)].tolist() for _ in range(ranges)]


def _compared(
    source: Path,
    plan: CalibrationPlan,
    sampling: Sampling,
    shares: Sequence[float],
    load_prior: Callable[..., Prior],
) -> Compared:
    """Degrade a file by its share of each range, restore it, compare."""
    entry, recipe = _recipe(plan.recipe)
    record = _cropped(read(source, entry), plan.crop)
    known = options_of(recipe.observe)
    texts = {
        name: in_range(text, share) for (name, text), share in zip(plan.options.items(), shares)
    }
    options = {name: known[name].parse(text) for name, text in texts.items()}
    noise = _number(in_range(plan.noise, shares[-1]))
    settings = Settings(plan.recipe, options, noise, sampling=sampling)
    made = degraded(recipe, record, settings)[0]
    with TemporaryDirectory() as folder:
        paths = _written(made, source, entry, Path(folder))
        told = {**options, **{path.stem: path for path in paths[1:]}}
        asked = options_of(recipe.solve)
        told = {name: value for name, value in told.items() if name in asked}
        lacking = [o.name for o in asked.values() if o.required and o.name not in told]
        if lacking:
            raise UsageError(f"{plan.recipe} asks for {lacking[0]}, which simulate does not write")
        settings = replace(settings, options=told)
        problem = pose(paths[0], settings, load_prior)
        truth = next((r for name, r in made.items() if Path(name).stem == "reference"), record)
        return _distances(problem, settings, truth.signal, plan)


def _distances(
    problem: Problem, settings: Settings, truth: Tensor, plan: CalibrationPlan
) -> Compared:
    found = answer(problem, settings)
    sampling = settings.sampling.on(problem.task.sampler)
    run = described(found.problem, sampling)
    if run is None:
        raise UsageError(f"{plan.recipe} tells no calibration what its operator and noise are")
    mean, samples = found.posterior.mean, found.posterior.samples
    shown = found.shown["mean"].signal
    if shown.shape != mean.shape or not torch.allclose(shown, mean, rtol=SAME, atol=SAME):
        raise UsageError(f"the files of {plan.recipe} are not in the units of its prior")
    deviation = samples.std(0)
    away = (truth - mean).abs().double()
    width = half_width(len(samples), plan.level) * deviation.double().clamp(min=LEAST)
    return Compared(run, torch.where(away > SAME * SAME, away / width, 0), deviation)


def _calibration(found: Sequence[Compared], plan: CalibrationPlan) -> Calibration:
    ratios, deviations = [one.ratios for one in found], [one.deviations for one in found]
    at, factors = factors_by_deviation(ratios, deviations, plan.level)
    after = [r / factors_at(s, at, factors) for r, s in zip(ratios, deviations)]
    covered = [
        sum((r <= 1).double().mean().item() for r in some) / len(found) for some in (ratios, after)
    ]
    run = found[0].run
    levels = [one.run.noise for one in found]
    return Calibration(
        run.recipe, run.prior, run.prior_sha256, run.sampler, run.options, run.steps, run.chains,
        [min(levels), max(levels)], _ranges([one.run.operator for one in found]), len(found),
        plan.data, plan.level, covered, at, factors,
    )  # fmt: skip


def _ranges(operators: Sequence[Mapping[str, float | str]]) -> dict[str, Any]:
    """From, to of each strength; a word as it is. UsageError where words differ."""
    ranges: dict[str, Any] = {}
    for name, first in operators[0].items():
        values = [operator[name] for operator in operators]
        if isinstance(first, str) and len(set(values)) > 1:
            raise UsageError(f"one calibration is for one {name}, not for {', '.join(set(values))}")
        ranges[name] = first if isinstance(first, str) else [min(values), max(values)]
    return ranges


def _recipe(name: str) -> tuple[Any, Any]:
    entry, recipe = catalog().entry("recipes", name), catalog().load("recipes", name)
    if recipe.observe is None:
        raise UsageError(f"{name} simulates nothing: there is no truth to calibrate by")
    return entry, recipe


def _cropped(record: Record, side: int | None) -> Record:
    """The square in the middle; the whole where a side is shorter."""
    if side is None:
        return record
    signal = record.signal
    for axis in range(1, signal.ndim):
        length = min(side, signal.shape[axis])
        signal = signal.narrow(axis, (signal.shape[axis] - length) // 2, length)
    meta = {name: value for name, value in record.meta.items() if name != "alpha"}
    return replace(record, signal=signal, meta=meta)


def _written(made: Mapping[str, Record], source: Path, entry: Any, folder: Path) -> list[Path]:
    """The files that simulate writes, the measurement first."""
    paths = []
    for name, part in made.items():
        path = folder / (name if Path(name).suffix else f"{name}{suffix(source)}")
        catalog().load("writers", find("writers", path, entry).name)(part, path)
        paths.append(path)
    return paths


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"noise is a number or a range, such as 0.01..0.1, not '{text}'") from None
