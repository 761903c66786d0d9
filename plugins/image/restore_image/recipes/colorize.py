"""colorize: colours for a grey photograph."""

from restore_operators import grey

from restore.files.task import Recipe, Record, Task
from restore.measurement.operator import LinearOperator

from ..files.stacks import stack_of
from .photographs import colour_shape, degraded, estimate_noise, name_of, task_of
from .values import estimated_of_any_values, of_any_values


def solve_colorize(record: Record, noise: float | None) -> Task:
    """Colours for a grey photograph: samples of those that have its luma (ITU-R BT.601)."""
    signal = record.signal
    if (signal[:1] != signal).any():
        raise ValueError(f"{name_of(record)} is in colour; colorize takes a grey picture")
    operator = grey((3, *signal.shape[1:]))
    return task_of(record, operator, noise, y=signal[:1], degradation={})


def observe_colorize(record: Record) -> LinearOperator:
    """Colour to luma (ITU-R BT.601)."""
    return grey(colour_shape(record))


colorize = Recipe(
    of_any_values(solve_colorize),
    observe_colorize,
    degraded,
    estimated_of_any_values(estimate_noise),
    pieces=stack_of,
)
