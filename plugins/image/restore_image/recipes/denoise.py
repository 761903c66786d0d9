"""denoise: white noise out of a photograph."""

from restore_operators import Identity
from torch import Tensor

from restore.files.task import Recipe, Record, SamplerChoice, Task
from restore.measurement.operator import LinearOperator

from ..files.stacks import stack_of
from .photographs import ORDINARY, STEPS, degraded, estimate_noise, opaque, task_of
from .values import estimated_of_any_values, of_any_values


def solve_denoise(record: Record, noise: float | Tensor | None) -> Task:
    """Take white noise out of a photograph, grey or colour."""
    # a state of the diffusion itself is white, and everywhere
    alike = opaque(record) is None and not isinstance(noise, Tensor)
    sampler = SamplerChoice("stochastic-denoising", STEPS) if alike else ORDINARY
    operator = observe_denoise(record)
    return task_of(record, operator, noise, sampler=sampler, exact=not alike, degradation={})


def observe_denoise(record: Record) -> LinearOperator:
    """Nothing but noise."""
    return Identity(record.signal.shape)


denoise = Recipe(
    of_any_values(solve_denoise),
    observe_denoise,
    degraded,
    estimated_of_any_values(estimate_noise),
    noise_maps=True,
    pieces=stack_of,
)
