"""deblur: a known blur of a photograph is undone."""

from typing import Literal

from restore_operators import Blur

from restore.files.task import Recipe, Record, Task
from restore.measurement.operator import LinearOperator

from ..files.stacks import stack_of
from . import given
from .photographs import BLURRED, degraded, estimate_noise, task_of
from .values import estimated_of_any_values, of_any_values

Boundary = Literal["reflect", "circular", "replicate", "zero"]


def solve_deblur(
    record: Record, noise: float | None, *, kernel: str, boundary: Boundary = "reflect"
) -> Task:
    """Undo a known blur.

    kernel: gaussian:STD, motion:LENGTH,ANGLE, disc:RADIUS, or a picture or .npy of the kernel
    boundary: what the scene is taken to be beyond the edges of the picture
    """
    operator = observe_deblur(record, kernel=kernel, boundary=boundary)
    degradation = {
        "kernel": given.kind_of_kernel(kernel),
        "blur in pixels": given.blur_of(given.kernel(kernel)),
        "boundary": boundary,
    }
    return task_of(record, operator, noise, sampler=BLURRED, degradation=degradation)


def observe_deblur(
    record: Record, *, kernel: str = "gaussian:1.6", boundary: Boundary = "reflect"
) -> LinearOperator:
    """Blur.

    kernel: gaussian:STD, motion:LENGTH,ANGLE, disc:RADIUS, or a picture or .npy of the kernel
    boundary: what the scene is taken to be beyond the edges of the picture
    """
    return Blur(record.signal.shape, given.kernel(kernel), boundary=boundary)


deblur = Recipe(
    of_any_values(solve_deblur),
    observe_deblur,
    degraded,
    estimated_of_any_values(estimate_noise),
    pieces=stack_of,
)
