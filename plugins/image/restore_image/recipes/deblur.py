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
    record: Record,
    noise: float | None,
    *,
    kernel: str,
    origin: str | None = None,
    boundary: Boundary = "reflect",
) -> Task:
    """Undo a known blur.

    kernel: gaussian:STD, motion:LENGTH,ANGLE, disc:RADIUS, or a picture or .npy of the kernel
    origin: ROW,COLUMN of the kernel's pixel that stands on the pixel it writes, counted from 0;
    else the middle one, height // 2, width // 2: of an even size the second of the two
    boundary: what the scene is taken to be beyond the edges of the picture
    """
    operator = observe_deblur(record, kernel=kernel, origin=origin, boundary=boundary)
    degradation = {
        "kernel": given.kind_of_kernel(kernel),
        "blur in pixels": given.blur_of(given.kernel(kernel)),
        "boundary": boundary,
    }
    return task_of(record, operator, noise, sampler=BLURRED, degradation=degradation)


def observe_deblur(
    record: Record,
    *,
    kernel: str = "gaussian:1.6",
    origin: str | None = None,
    boundary: Boundary = "reflect",
) -> LinearOperator:
    """Blur.

    kernel: gaussian:STD, motion:LENGTH,ANGLE, disc:RADIUS, or a picture or .npy of the kernel
    origin: ROW,COLUMN of the kernel's pixel that stands on the pixel it writes, counted from 0
    boundary: what the scene is taken to be beyond the edges of the picture
    """
    place = None if origin is None else given.origin(origin)
    return Blur(record.signal.shape, given.kernel(kernel), boundary=boundary, origin=place)


deblur = Recipe(
    of_any_values(solve_deblur),
    observe_deblur,
    degraded,
    estimated_of_any_values(estimate_noise),
    pieces=stack_of,
)
