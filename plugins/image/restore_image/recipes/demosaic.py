"""demosaic: full colour from the mosaic of a sensor."""

from typing import Literal

import numpy as np
from restore_operators import Bayer
from torch import Tensor

from restore.files.task import Recipe, Record, SamplerChoice, Task
from restore.measurement.operator import LinearOperator

from ..files.stacks import stack_of
from ..noise import least_noise, noise_std
from .photographs import SECOND_ORDER, STEPS, colour_shape, degraded, name_of, task_of
from .values import estimated_of_any_values, of_any_values

# as good a mean as by ancestral steps, and wider samples (benchmarks/results/choose_colour.md)
MOSAIC = SamplerChoice("pigdm", STEPS, options=SECOND_ORDER)
Pattern = Literal["rggb", "bggr", "grbg", "gbrg"]


def solve_demosaic(
    record: Record, noise: float | Tensor | None, *, pattern: Pattern = "rggb"
) -> Task:
    """Full colour from the mosaic of a sensor: one channel, one colour a pixel.

    pattern: the colours of the top left 2x2 pixels, row by row
    """
    if len(record.signal) != 1:
        raise ValueError(f"{name_of(record)} is in colour; demosaic takes a mosaic, of one channel")
    shape = (3, *record.signal.shape[1:])
    degradation = {"pattern": pattern}
    operator = Bayer(shape, pattern.upper())
    return task_of(record, operator, noise, sampler=MOSAIC, degradation=degradation)


def observe_demosaic(record: Record, *, pattern: Pattern = "rggb") -> LinearOperator:
    """See through a colour filter array.

    pattern: the colours of the top left 2x2 pixels, row by row
    """
    return Bayer(colour_shape(record), pattern.upper())


def estimate_noise_of_mosaic(record: Record) -> float:
    """The std of a mosaic's noise, root mean square over its four pictures of one colour each.

    At least half a step of the file's depth.
    """
    signal = record.signal[0]
    levels = [noise_std(signal[None, row::2, column::2]) for row in (0, 1) for column in (0, 1)]
    return max(float(np.sqrt(np.mean(np.square(levels)))), least_noise(record))


demosaic = Recipe(
    of_any_values(solve_demosaic),
    observe_demosaic,
    degraded,
    estimated_of_any_values(estimate_noise_of_mosaic),
    noise_maps=True,
    pieces=stack_of,
)
