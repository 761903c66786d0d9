"""denoise: white noise out of a photograph."""

from restore_operators import Identity

from restore.files.task import Recipe, Record, Task
from restore.measurement.operator import LinearOperator

from .photographs import degraded, estimate_noise, task_of


def solve_denoise(record: Record, noise: float | None) -> Task:
    """Take white noise out of a photograph, grey or colour."""
    return task_of(record, observe_denoise(record), noise, sampler="stochastic-denoising")


def observe_denoise(record: Record) -> LinearOperator:
    """Nothing but noise."""
    return Identity(record.signal.shape)


denoise = Recipe(solve_denoise, observe_denoise, degraded, estimate_noise)
