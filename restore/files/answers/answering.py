"""A problem's answer: sampled, and as a file would hold it."""

import glob
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from ...measurement.measurement import Measurement
from ...samplers.base import Step
from ...sampling import by_name
from ...sampling.posterior import Posterior
from ...sampling.watchers import Trace, Watcher
from ..merit.coverage import predictive, sample_std
from ..problem import Problem, Sampling, Settings
from ..task import Record
from .widths import widths

if TYPE_CHECKING:
    from .together import Drawn

# (chains at once, step, total, {"sigma": ..., "chi_square": ...}), after every step
Progress = Callable[[int, int, int, Mapping[str, Any]], None]


@dataclass(frozen=True)
class Answer:
    """The posterior of a problem, and the records to write and to look at."""

    problem: Problem  # as it was solved
    posterior: Posterior
    samples: list[Record]
    spread: list[Record]  # samples as wide as intervals are; the samples where these are as drawn
    shown: dict[str, Record]  # "mean", "sample" and, where one was asked for, "baseline"
    std: Record | None  # over the samples; None for a single one
    draws: dict[str, list[Record]]  # of a noisy reference
    trace: Trace
    parts: dict[str, Record]  # of the mean, as the task names them

    @cached_property
    def residual(self) -> Tensor:
        """y - A(mean), 0 where nothing was measured; (observations, ...)."""
        measurement = self.problem.task.measurement
        return measurement.residual(self.posterior.mean[None]) * measurement.measured_mask


def answer(
    problem: Problem,
    settings: Settings,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
    drawn: "Drawn | None" = None,
) -> Answer:
    """Sample the posterior; arguments as of `restore_file`.

    The checkpoint is left where it is, and beside it those of runs on held-out data: `forget`.
    """
    problem = _begun(posed_with_prior(problem))
    sampling = settings.sampling.on(problem.task.sampler)
    runs = itertools.count()

    def draw(part: Problem, few: Sampling) -> Tensor:
        kept = part_of(checkpoint, f"held-out-{next(runs)}")
        return _sampled(part, few, kept, progress, drawn)[0].samples

    problem, widen = widths(problem, sampling, draw)
    posterior, trace = _sampled(problem, sampling, checkpoint, progress, drawn)
    posterior = widen(posterior)
    samples = [problem.task.present(x) for x in posterior.samples]
    spread = samples
    if posterior.spread is not posterior.samples:
        spread = [problem.task.present(x) for x in posterior.spread]
    shown, draws = _shown(problem, posterior, samples, settings.outputs.baseline)
    std = None
    if len(samples) > 1:
        signal = sample_std([record.signal for record in spread])
        std = replace(shown["mean"], signal=signal, kind="std")
    parts = {name: make(posterior.mean) for name, make in problem.task.parts.items()}
    return Answer(problem, posterior, samples, spread, shown, std, draws, trace, parts)


def part_of(checkpoint: Path | None, part: str) -> Path | None:
    """The file that keeps one of the runs that an answer takes; it lies beside that of the whole.

    None where nothing is kept.
    """
    return None if checkpoint is None else checkpoint.with_name(f"{checkpoint.name}-{part}")


def forget(checkpoint: Path | None) -> None:
    """Remove a checkpoint and those of its parts: what they kept is whole elsewhere."""
    if checkpoint is not None:
        for kept in checkpoint.parent.glob(f"{glob.escape(checkpoint.name)}*"):
            kept.unlink()


def posed_with_prior(problem: Problem) -> Problem:
    """The problem after what could not be posed without its prior."""
    if problem.task.pose_with_prior is None:
        return problem
    return replace(problem, task=problem.task.pose_with_prior(problem.prior))


def _begun(problem: Problem) -> Problem:
    """The problem with a classical answer to begin from, where its prior does not reach noise.

    Where the recipe has none to offer the run begins from noise, and the report says so.
    """
    task, prior = problem.task, problem.prior
    if prior.reaches_noise or task.sampler.init is not None:
        return problem
    level, baselines = f"noise of {prior.sigma_max:.3g}", task.comparison.baselines
    if not baselines:
        began = f"{level}, where signals still show: there is no classical answer to begin from"
        return replace(problem, task=task.with_facts({"begun from": began}))
    name = "tv" if "tv" in baselines else next(iter(baselines))
    warm = {"init": baselines[name](), "sigma_start": prior.sigma_max}
    began = f"{name} with {level}, the most that the prior was trained for"
    task = replace(task, sampler=replace(task.sampler, **warm)).with_facts({"begun from": began})
    return replace(problem, task=task)


def _shown(
    problem: Problem, posterior: Posterior, samples: Sequence[Record], baseline: str | None
) -> tuple[dict[str, Record], dict[str, list[Record]]]:
    """What a file would hold of "mean", "sample", "baseline"; and draws of a noisy reference."""
    shown = {"mean": problem.task.present(posterior.mean), "sample": samples[0]}
    answers = {"predicted": posterior.spread}
    if baseline is not None:
        signal = problem.task.comparison.baselines[baseline]()
        shown["baseline"] = problem.task.present(signal)
        answers["baseline predicted"] = signal[None]
    return shown, _draws(problem, answers)


def _draws(problem: Problem, answers: Mapping[str, Tensor]) -> dict[str, list[Record]]:
    """Draws of the task's own reference, by what predicts them; none where it holds no noise."""
    comparison = problem.task.comparison
    noisy_reference = comparison.noisy_reference
    if noisy_reference is None or problem.reference is not comparison.reference:
        return {}
    return {name: predictive(noisy_reference, signals) for name, signals in answers.items()}


def _watched(measurement: Measurement, progress: Progress | None) -> tuple[Trace, list[Watcher]]:
    """The trace of a run, and all that watches it."""
    trace = Trace(measurement)
    if progress is None:
        return trace, [trace]

    def report_step(step: Step, index: int, total: int) -> None:
        progress(len(step.x), index, total, trace.rows[-1])

    return trace, [trace, report_step]


def _sampled(
    problem: Problem,
    asked: Sampling,
    checkpoint: Path | None,
    progress: Progress | None,
    drawn: "Drawn | None",
) -> tuple[Posterior, Trace]:
    """The samples of a problem, drawn already or now, and the trace of their run."""
    measurement = problem.task.measurement
    trace, watch = _watched(measurement, progress)
    known = None if drawn is None else drawn.take(checkpoint, measurement)
    if known is not None:
        posterior, trace.rows[:] = known
        return posterior, trace
    posterior = by_name.sample(
        measurement, problem.prior, problem.sampler.sampler, watch=watch, checkpoint=checkpoint,
        keep_checkpoint=True, **arguments_of(problem, asked),
    )  # fmt: skip
    return posterior, trace


def arguments_of(problem: Problem, asked: Sampling) -> dict[str, Any]:
    """What `sample` is given of a problem beside its parts: chains, noise levels, options."""
    choice, steps = problem.task.sampler, asked.steps
    own = choice.schedule if problem.sampler.name == choice.name else None
    return {
        "chains": asked.chains,
        **({"steps": steps} if own is None else {"sigmas": own(steps)}),
        "seed": asked.seed,
        "device": asked.device,
        "precision": asked.precision,
        "init": choice.init,
        "sigma_start": choice.sigma_start,
        **problem.options,
    }
