"""denoise: white noise out of a photograph."""

from restore_operators import Identity

from restore.files.task import Recipe, Record, Task
from restore.measurement.operator import LinearOperator

from ..files.stacks import stack_of
from .photographs import SAMPLER, degraded, estimate_noise, opaque, task_of
from .values import estimated_of_any_values, of_any_values


def solve_denoise(record: Record, noise: float | None) -> Task:
    """Take white noise out of a photograph, grey or colour."""
    sampler = (
        "stochastic-denoising" if opaque(record) is None else SAMPLER
    )  # which fills what is not
    return task_of(record, observe_denoise(record), noise, sampler=sampler)


def observe_denoise(record: Record) -> LinearOperator:
    """Nothing but noise."""
    return Identity(record.signal.shape)


denoise = Recipe(
    of_any_values(solve_denoise),
    observe_denoise,
    degraded,
    estimated_of_any_values(estimate_noise),
    pieces=stack_of,
)
