"""Small files of one shape, sampled by the same network calls; each is then restored as any other.

A file's chains are those that it has by itself, seeds and all. Samples differ from those of the
file alone by rounding: a network adds up in another order where more signals go through it.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...measurement.measurement import Measurement, stack
from ...samplers.base import Step
from ...sampling import by_name
from ...sampling.posterior import Posterior
from ...sampling.watchers import Trace
from ..problem import Problem, Sampling, Settings
from .answering import arguments_of, part_of
from .widths import thinned_part

SMALL = 2**18  # values of all chains of a file, above which nothing is gained


@dataclass(frozen=True)
class Draw:
    """The samples that a file asks for."""

    problem: Problem
    asked: Sampling
    checkpoint: Path  # by which they are asked for


class Drawn:
    """Samples that were drawn together, until the file asks for them."""

    def __init__(self) -> None:
        self._kept: dict[Path, tuple[Tensor, Posterior, list[dict[str, Any]]]] = {}

    def draw(self, problems: Sequence[tuple[Problem, Settings, Path]], together: int) -> None:
        """Draw the samples of problems that suit one another, at most so many in a call.

        The others are left alone: those that have begun, large ones, frames and slices.
        """
        groups: dict[Hashable, list[Draw]] = {}
        for problem, settings, checkpoint in problems:
            for draw in _draws(problem, settings, checkpoint):
                groups.setdefault(_likeness(draw), []).append(draw)
        for group in groups.values():
            for start in range(0, len(group), together):
                part = group[start : start + together]
                if len(part) > 1:
                    self._draw(part)

    def take(
        self, checkpoint: Path | None, measurement: Measurement
    ) -> tuple[Posterior, list[dict[str, Any]]] | None:
        """The samples of a checkpoint's run, and its trace, once; None where none were drawn."""
        y, *found = self._kept.pop(checkpoint, (None,))
        return tuple(found) if y is not None and torch.equal(y, measurement.y) else None

    def _draw(self, draws: Sequence[Draw]) -> None:
        first, measurements = draws[0], [draw.problem.task.measurement for draw in draws]
        traces = [Trace(measurement) for measurement in measurements]
        arguments = arguments_of(first.problem, first.asked)
        if arguments["init"] is not None:
            guesses = [draw.problem.task.sampler.init for draw in draws]
            arguments["init"] = torch.stack(guesses)
        found = by_name.sample(
            stack(measurements), first.problem.prior, first.problem.sampler.sampler,
            watch=[_each(traces, first.asked.chains)], **arguments,
        )  # fmt: skip
        told = {**found.provenance, "seconds": round(found.provenance["seconds"] / len(draws), 3)}
        for draw, samples, trace in zip(draws, found.samples, traces):
            posterior = Posterior(samples, found.shape, told)
            self._kept[draw.checkpoint] = draw.problem.task.measurement.y, posterior, trace.rows


def _draws(problem: Problem, settings: Settings, checkpoint: Path) -> list[Draw]:
    """What a problem will ask for, as far as it is known before anything is drawn."""
    task, asked = problem.task, settings.sampling.on(problem.task.sampler)
    split = task.held_out_split is not None and asked.chains > 1
    values = asked.chains * task.measurement.y.numel()
    if task.frames or task.pose_with_prior or split or problem.prior.codec or values > SMALL:
        return []
    if checkpoint.exists() or not (problem.prior.reaches_noise or task.sampler.init is not None):
        return []
    draws = [Draw(problem, asked, checkpoint)]
    few = thinned_part(problem, asked)
    if few is not None:
        draws.append(Draw(*few, part_of(checkpoint, "held-out-0")))
    return draws


def _likeness(draw: Draw) -> Hashable:
    """What is alike of draws that may share their calls."""
    task, problem = draw.problem.task, draw.problem
    shapes = tuple(task.measurement.y.shape), task.measurement.operator.in_shape
    noise = type(task.measurement.noise)
    sigmas = arguments_of(problem, draw.asked).get("sigmas")  # may be a matter of the noise
    levels = None if sigmas is None else tuple(sigmas.tolist())
    choice = task.sampler.init is not None, task.sampler.sigma_start, task.sampler.name, levels
    options = _words(problem.options)
    prior = id(problem.prior.denoise), id(problem.prior)
    return shapes, noise, choice, options, prior, problem.sampler.name, _words(vars(draw.asked))


def _words(options: Mapping[str, Any]) -> str:
    return repr(sorted((name, repr(value)) for name, value in options.items()))


def _each(traces: Sequence[Trace], chains: int):
    """A watcher that shows each trace the rows of its own measurement."""

    def watcher(step: Step, index: int, total: int) -> None:
        if len(step.denoised) < chains * len(traces):
            return  # memory ran out: these are some of them
        parts = zip(step.x.chunk(len(traces)), step.denoised.chunk(len(traces)))
        for trace, (x, denoised) in zip(traces, parts):
            trace(Step(x, denoised, step.sigma), index, total)

    return watcher
