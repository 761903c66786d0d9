"""A result is looked at before it is called one: what of it a user should doubt, in words."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor

from ...errors import RestoreError
from ...measurement.noise import Gaussian
from ...measurement.operator import LinearOperator
from ...plugins.discovery import catalog
from ..problem import Problem, Settings, estimated_noise

MISFIT = 2.0  # chi-square above which the answer does not explain the data
UNSOLVED = 0.02  # relative residual of an inner solve that is told of
ABSURD = 1e6  # chi-square that no answer has
AWAY = 2.0  # factor between a given noise and the cheap estimate
LEAST_NOISE = 1.5 / 255  # below which the estimate is of rounding and texture
ALIKE = 0.3  # correlation of neighbouring residuals that white noise does not have
SIDE = 32  # samples along an axis whose neighbours are compared


def doubts(
    problem: Problem,
    settings: Settings,
    residual: Tensor,
    misfits: Sequence[float],
    solves: Mapping[str, Any] | None = None,
) -> list[str]:
    """Each a line: the figure, its likely cause, and what to do; none where all is as it should be.

    residual: y - A(mean), (observations, ...), 0 where nothing was measured; misfits: the
    chi-square of each sample; solves: the fields of `restore.measurement.signal.Solves`.
    RestoreError for a chi-square that is absurd or no number.
    """
    return [
        *_misfit(misfits), *_unsolved(solves), *_given_noise(problem, settings),
        *_colour(problem, residual),
    ]  # fmt: skip


def refuse_absurd(misfits: Sequence[float]) -> None:
    """RestoreError where the mean of the samples' chi-squares is absurd, or no number."""
    mean = sum(misfits) / len(misfits) if misfits else 0.0
    if not mean <= ABSURD:
        raise RestoreError(
            f"the answer does not explain the data at all: misfit {mean:.3g}, where about 1 is "
            "right. The noise is far larger than was given, the operator is another, or the "
            "values are in other units"
        )


def _misfit(misfits: Sequence[float]) -> Iterator[str]:
    refuse_absurd(misfits)
    mean = sum(misfits) / len(misfits) if misfits else 0.0
    if mean > MISFIT:
        yield (
            f"misfit {mean:.3g}, where about 1 is right: the answer does not explain the data. The "
            "noise may be larger than was given, the operator another, or the steps too few "
            "(--noise, --steps)"
        )


def _unsolved(solves: Mapping[str, Any] | None) -> Iterator[str]:
    """Inner solves that ended with more of a residual than a sample shows."""
    if solves and solves["worst"] > UNSOLVED:
        yield (
            f"{solves['short']} of {solves['count']} inner solves ended short of their tolerance, "
            f"with up to {solves['worst']:.1%} of their residual left: the samples fit the data "
            "less than they should. The noise may be too small for the data, or the geometry wrong"
        )


def _given_noise(problem: Problem, settings: Settings) -> Iterator[str]:
    """A given noise beside the recipe's estimate, where it has one, in the units of --noise."""
    given = settings.noise
    if not isinstance(given, float) or not given:
        return
    recipe = catalog().load("recipes", settings.recipe)
    try:
        estimate = estimated_noise(problem.record, recipe, settings)
    except ValueError:  # too small a picture to tell
        return
    if estimate is None:
        return
    if max(given, estimate) > LEAST_NOISE and not 1 / AWAY <= estimate / given <= AWAY:
        yield (
            f"the noise looks like {estimate:.3g}, {given:.3g} was given: if the first is right, "
            f"say --noise {estimate:.2g} or --noise auto"
        )


def _colour(problem: Problem, residual: Tensor) -> Iterator[str]:
    """White noise leaves residuals without likeness, where the operator takes nothing away."""
    measurement = problem.task.measurement
    noise = measurement.noise
    if not isinstance(noise, Gaussian) or not isinstance(noise.std, float) or not noise.std:
        return
    operator = measurement.operator
    unitary = isinstance(operator, LinearOperator) and operator.unitary
    if not unitary or not measurement.measured_mask.all() or residual.is_complex():
        return
    found = [r for axis in range(2, residual.ndim) if (r := _likeness(residual, axis)) is not None]
    if found and max(found) > ALIKE:
        yield (
            f"the noise is not white: what is left of neighbours correlates by {max(found):.2f}. "
            "It is taken for white, so that its blotches stay, or detail goes with it"
        )


def _likeness(residual: Tensor, axis: int) -> float | None:
    """The correlation of neighbours along an axis; None where it is too short to tell."""
    size = residual.shape[axis]
    if size < SIDE:
        return None
    before, after = residual.narrow(axis, 0, size - 1), residual.narrow(axis, 1, size - 1)
    power = residual.square().mean().item()
    return (before * after).mean().item() / power if power > 0 else None
