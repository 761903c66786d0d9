"""Reconstructions without a learned prior, for any linear operator: what others are held to.

All take y (batch, *out_shape) and give (batch, *in_shape), real or complex as the operator's
signals are; each chain goes by itself. They raise ValueError for measurements of another shape or
with values that are not finite.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from restore.measurement.operator import LinearOperator
from restore.measurement.signal import column, dot

from ..transforms.wavelet import Wavelet
from .proximal import Crop, Problem, Threshold, Variation, begun, largest

COARSEST = 8  # samples of the smallest approximation: a filter of db4 is as long
DEEPEST = 4  # levels of wavelets


def cgls(
    y: Tensor,
    operator: LinearOperator,
    steps: int = 20,
    start: Tensor | None = None,
    *,
    damping: float = 0.0,
) -> Tensor:
    """min_x |y - A x|^2 + damping |x|^2 by conjugate gradients; few steps regularise, too.

    For MRI that is SENSE (Pruessmann et al. 2001). Björck, Numerical Methods for Least Squares
    Problems, 1996, section 7.4. damping: in units of |A|^2.
    """
    back = begun(y, operator, steps)
    damping = damping * largest(operator, back) ** 2 if damping else 0.0
    x = torch.zeros_like(back) if start is None else start
    residual = y if start is None else y - operator(x)
    slope = operator.adjoint(residual) - damping * x
    direction, power = slope, dot(slope, slope)
    least = torch.finfo(power.dtype).eps ** 2 * dot(back, back)
    for _ in range(steps):
        image = operator(direction)
        bend = dot(image, image) + damping * dot(direction, direction)
        length = torch.where(power > least, power / bend, 0)
        x = x + column(length, x) * direction
        residual = residual - column(length, y) * image
        slope = operator.adjoint(residual) - damping * x
        after = dot(slope, slope)
        direction = slope + column(torch.where(power > least, after / power, 0), x) * direction
        power = after
    return x


def sirt(
    y: Tensor,
    operator: LinearOperator,
    steps: int = 100,
    start: Tensor | None = None,
    *,
    nonnegative: bool = False,
) -> Tensor:
    """x <- x + C A^T R (y - A x), with R and C the inverse sums of A's rows and columns.

    For operators whose entries are not negative, projections above all (Gregor & Benson, IEEE TMI
    27, 2008); ValueError where a sum is. nonnegative: values below zero are set to zero.
    """
    back = begun(y, operator, steps)
    rows = operator(torch.ones_like(back[:1]))
    columns = operator.adjoint(torch.ones_like(y[:1]))
    if rows.is_complex() or columns.is_complex() or (rows < 0).any() or (columns < 0).any():
        raise ValueError(f"sirt is for operators whose entries are not negative, not {operator}")
    rows, columns = (torch.where(sums > 0, 1 / sums, 0) for sums in (rows, columns))
    x = torch.zeros_like(back) if start is None else start
    for _ in range(steps):
        x = x + columns * operator.adjoint(rows * (y - operator(x)))
        x = x.clamp(min=0) if nonnegative else x
    return x


def total_variation(
    y: Tensor,
    operator: LinearOperator,
    weight: float,
    steps: int = 100,
    start: Tensor | None = None,
    *,
    axes: Sequence[int] | None = None,
    nonnegative: bool = False,
    complex_valued: bool = False,
    weights: Tensor | None = None,
) -> Tensor:
    """min_x |y - A x|^2 / 2 + weight sum |grad x|, isotropic over the given axes.

    axes: of a signal, (channels, *size); all but the channels by default.
    nonnegative: under x >= 0; not for complex signals.
    complex_valued: the channels are real and imaginary parts, as `ChannelsToComplex` pairs them,
        and |grad x| is that of the complex signal; otherwise channels go by themselves.
    weights: inverse variances, broadcastable to y, in the first term (penalised weighted least
        squares); for a posterior's mode they are 1 / std^2 and `weight` is the prior's.

    Accelerated proximal gradients whose inner dual problem goes on where it stopped (Beck &
    Teboulle, IEEE TIP 18, 2009), with no step ratio to tune. On small sparse-view projections they
    take from half as many products with A as primal-dual hybrid gradients (Chambolle & Pock 2011)
    at the best of five ratios, to as many; at a ratio ten times off those are far behind.
    """
    signal = operator.in_shape
    axes = range(1, len(signal)) if axes is None else axes
    if not len(axes) or not all(-len(signal) <= axis < len(signal) for axis in axes):
        raise ValueError(f"axes must be some of a signal of {signal}, got {list(axes)}")
    problem = Problem(y, operator, steps, complex_valued, weights)
    if nonnegative and problem.back.is_complex():
        raise ValueError("complex signals cannot be held above zero")
    proximal = Variation([axis % len(signal) + 1 for axis in axes], _checked(weight), nonnegative)
    return problem.channels(problem.descended(proximal, problem.start(start)))


def wavelet_l1(
    y: Tensor,
    operator: LinearOperator,
    weight: float,
    steps: int = 100,
    start: Tensor | None = None,
    *,
    levels: int | None = None,
    moments: int = 4,
    complex_valued: bool = False,
    spin: int | None = 0,
) -> Tensor:
    """min_x |y - A x|^2 / 2 + weight |details of W x|_1 over the last two axes.

    W is Daubechies' transform, periodic on a frame that 2^levels divides and in which the margin
    beyond the signal is free. FISTA (Beck & Teboulle 2009) with restarts; for MRI by Lustig et al.,
    MRM 58, 2007.

    levels: by default up to 4, as long as 8 samples are left. moments: vanishing ones; 4 is db4.
    complex_valued: as for `total_variation`.
    spin: the seed of a random shift of W at every step, and the second half of the steps is
        averaged (cycle spinning, Coifman & Donoho 1995: no artefacts of one grid); None: no shift,
        and the minimum itself.
    """
    problem = Problem(y, operator, steps, complex_valued)
    levels = _levels(operator.in_shape) if levels is None else levels
    crop = Crop(problem.operator.in_shape, levels)
    threshold = Threshold(Wavelet(crop.in_shape, levels, moments), _checked(weight), spin)
    start = crop.adjoint(problem.start(start))
    averaged = 1 if spin is None else -(-steps // 2)
    x = problem.descended(threshold, start, problem.operator @ crop, averaged)
    return problem.channels(crop(x))


def _levels(shape: Sequence[int]) -> int:
    """Halvings that leave COARSEST samples, 1 to DEEPEST."""
    return min(DEEPEST, max(1, (min(shape[-2:]) // COARSEST).bit_length() - 1))


def _checked(weight: float) -> float:
    if not (weight >= 0 and math.isfinite(weight)):
        raise ValueError(f"a weight must be finite and not negative, got {weight}")
    return float(weight)
