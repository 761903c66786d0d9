"""superresolve: more pixels, by a whole factor."""

from typing import Literal

from restore_operators import Downsample, Pad, bicubic_kernel, box_kernel, gaussian_kernel
from torch import Tensor

from restore.files.task import Recipe, Record, Task
from restore.measurement.operator import LinearOperator

from ..files.beside_pixels import enlarged
from ..files.stacks import stack_of
from .photographs import BLURRED, degraded, estimate_noise, task_of
from .values import estimated_of_any_values, of_any_values

Antialias = Literal["bicubic", "gaussian", "box"]


def solve_superresolve(
    record: Record, noise: float | None, *, factor: int, antialias: Antialias = "bicubic"
) -> Task:
    """More pixels, by a whole factor.

    factor: 2, 3, 4, ...: how many times the rows and columns
    antialias: how the small picture came about: the window that was averaged over
    """
    channels, height, width = record.signal.shape
    operator = _downsample((channels, height * factor, width * factor), factor, antialias)

    def present(signal: Tensor) -> Record:
        return enlarged(record, signal, factor)

    degradation = {"factor": float(factor), "antialias": antialias}
    return task_of(
        record, operator, noise, sampler=BLURRED, present=present, degradation=degradation
    )


def observe_superresolve(
    record: Record, *, factor: int = 2, antialias: Antialias = "bicubic"
) -> LinearOperator:
    """Fewer pixels; rows and columns beyond a multiple of the factor are left out.

    factor: 2, 3, 4, ...: one pixel is kept of so many squared
    antialias: the window that is averaged over
    """
    if factor < 1:
        raise ValueError(f"a factor is a whole number of at least 1, got {factor}")
    channels, height, width = record.signal.shape
    if factor > min(height, width):
        raise ValueError(f"a picture of {height}x{width} has no pixel for each {factor}x{factor}")
    rows, columns = height % factor, width % factor
    cropped = (channels, height - rows, width - columns)
    operator = _downsample(cropped, factor, antialias)
    if rows or columns:
        operator = operator @ Pad(cropped, (0, rows), (0, columns), "zero").H
    return operator


def degraded_superresolve(record: Record, operator: LinearOperator, y: Tensor):
    """The measurement, and what of the picture it is of, where that is not all: for --reference."""
    parts = degraded(record, operator, y)
    down = getattr(operator, "outer", operator)
    if down.in_shape != record.signal.shape:
        _, height, width = down.in_shape
        meta = {"dtype": record.meta.get("dtype", "uint8"), "icc": record.meta.get("icc")}
        cropped = record.signal[:, :height, :width]
        parts["reference.tif"] = Record(cropped, "image", record.source, meta)
    return parts


def _downsample(shape: tuple[int, ...], factor: int, antialias: Antialias) -> LinearOperator:
    """The Gaussian has a standard deviation of half a block, cut at four of them."""
    if factor < 1:
        raise ValueError(f"a factor is a whole number of at least 1, got {factor}")
    kernel = {
        "bicubic": lambda: bicubic_kernel(factor),
        "gaussian": lambda: gaussian_kernel(factor / 2, 4 * factor - factor % 2),
        "box": lambda: box_kernel(factor),
    }[antialias]()
    return Downsample(shape, factor, kernel, boundary="reflect")


superresolve = Recipe(
    of_any_values(solve_superresolve),
    observe_superresolve,
    degraded_superresolve,
    estimated_of_any_values(estimate_noise),
    pieces=stack_of,
)
