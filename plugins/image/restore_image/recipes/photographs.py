"""The recipes for photographs: what was done to a picture, and what it becomes again.

Whatever a user gives in pixels (masks, boxes, kernels, mosaics) is meant of the picture as it is
displayed, upright. Noise is white and Gaussian, in units of the full range.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from restore_operators import (
    Bayer,
    Blur,
    Downsample,
    Identity,
    Mask,
    Pad,
    bicubic_kernel,
    box_kernel,
    box_mask,
    gaussian_kernel,
    grey,
    random_mask,
)
from torch import Tensor

from restore.files.task import Recipe, Record, SamplerChoice, Task
from restore.measurement.measurement import Measurement
from restore.measurement.noise import Gaussian
from restore.measurement.operator import LinearOperator

from ..files.pixels import enlarged
from ..noise import least_noise, noise_std
from . import given

# chosen on scikit-image's photographs: blurred ones by 1 to 2 dB; tmpd is slower for little
SAMPLER, BLURRED = "pigdm", "diffpir"
STEPS = 30
PRIORS = {1: "image-grey", 3: "image-colour"}  # by the channels of what is restored
MISSING = 0.7  # the share that simulate takes away

Boundary = Literal["reflect", "circular", "replicate", "zero"]
Antialias = Literal["bicubic", "gaussian", "box"]
Pattern = Literal["rggb", "bggr", "grbg", "gbrg"]


# denoise


def solve_denoise(record: Record, noise: float | None) -> Task:
    """Take white noise out of a photograph, grey or colour."""
    return _task(record, observe_denoise(record), noise, sampler="stochastic-denoising")


def observe_denoise(record: Record) -> LinearOperator:
    """Nothing but noise."""
    return Identity(record.signal.shape)


# inpaint


def solve_inpaint(record: Record, noise: float | None, *, mask: Path) -> Task:
    """Fill in missing pixels; the others keep what the noise leaves of them.

    mask: picture of the same size, white where pixels are missing
    """
    operator = observe_inpaint(record, mask=mask)
    missing = 1 - operator.mask.mean().item()
    return _task(
        record, operator, noise, y=operator.mask * record.signal, facts={"missing": missing}
    )


def observe_inpaint(
    record: Record,
    *,
    mask: Path | None = None,
    missing: float | None = None,
    box: str | None = None,
    mask_seed: int = 0,
) -> LinearOperator:
    """Take pixels away.

    mask: picture of the same size, white where pixels go
    missing: share of pixels to take away at random; 0.7 without mask or box
    box: y,x,h,w of the box to take away, in pixels
    mask_seed: of the random places
    """
    if sum(option is not None for option in (mask, missing, box)) > 1:
        raise ValueError("give one of mask, missing and box, not several")
    size = (1, *record.signal.shape[1:])
    if mask is not None:
        left = given.measured(Path(mask), size[1:])
    elif box is not None:
        left = box_mask(size, given.box(box))
    else:
        left = random_mask(size, MISSING if missing is None else missing, mask_seed)
    return Mask(left, record.signal.shape)


def degraded_inpaint(record: Record, operator: Mask, y: Tensor) -> Mapping[str, Record]:
    """The measurement, black where nothing was measured, and the mask."""
    mask = Record(1 - operator.mask, "image", record.source)
    return {**degraded(record, operator, operator.mask * y), "mask.png": mask}


# deblur


def solve_deblur(
    record: Record, noise: float | None, *, kernel: str, boundary: Boundary = "reflect"
) -> Task:
    """Undo a known blur.

    kernel: gaussian:STD, motion:LENGTH,ANGLE, disc:RADIUS, or a picture or .npy of the kernel
    boundary: what the scene is taken to be beyond the edges of the picture
    """
    operator = observe_deblur(record, kernel=kernel, boundary=boundary)
    return _task(record, operator, noise, sampler=BLURRED)


def observe_deblur(
    record: Record, *, kernel: str = "gaussian:1.6", boundary: Boundary = "reflect"
) -> LinearOperator:
    """Blur.

    kernel: gaussian:STD, motion:LENGTH,ANGLE, disc:RADIUS, or a picture or .npy of the kernel
    boundary: what the scene is taken to be beyond the edges of the picture
    """
    return Blur(record.signal.shape, given.kernel(kernel), boundary=boundary)


# superresolve


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

    return _task(record, operator, noise, sampler=BLURRED, present=present)


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


# demosaic


def solve_demosaic(record: Record, noise: float | None, *, pattern: Pattern = "rggb") -> Task:
    """Full colour from the mosaic of a sensor: one channel, one colour a pixel.

    pattern: the colours of the top left 2x2 pixels, row by row
    """
    if len(record.signal) != 1:
        raise ValueError(f"{_name(record)} is in colour; demosaic takes a mosaic, of one channel")
    shape = (3, *record.signal.shape[1:])
    return _task(record, Bayer(shape, pattern.upper()), noise)


def observe_demosaic(record: Record, *, pattern: Pattern = "rggb") -> LinearOperator:
    """See through a colour filter array.

    pattern: the colours of the top left 2x2 pixels, row by row
    """
    return Bayer(_coloured(record), pattern.upper())


# colorize


def solve_colorize(record: Record, noise: float | None) -> Task:
    """Colours for a grey photograph: samples of those that have its luma (ITU-R BT.601)."""
    signal = record.signal
    if (signal[:1] != signal).any():
        raise ValueError(f"{_name(record)} is in colour; colorize takes a grey picture")
    return _task(record, grey((3, *signal.shape[1:])), noise, y=signal[:1])


def observe_colorize(record: Record) -> LinearOperator:
    """Colour to luma (ITU-R BT.601)."""
    return grey(_coloured(record))


# what they share


def degraded(record: Record, operator: LinearOperator, y: Tensor) -> dict[str, Record]:
    """The measurement as floats, as it is, and a preview in 8 bits to look at."""
    meta = {"dtype": "float32", "icc": record.meta.get("icc")}
    return {
        "measurement.tif": Record(y, "image", record.source, meta),
        "preview.png": Record(y, "image", record.source, {**meta, "dtype": "uint8"}),
    }


def estimate_noise(record: Record) -> float:
    """From the picture itself; at least what its depth rounds away."""
    return max(noise_std(record.signal), least_noise(record))


def estimate_noise_of_mosaic(record: Record) -> float:
    """The same from the four pictures of every second row and column, of one colour each."""
    signal = record.signal[0]
    levels = [noise_std(signal[None, row::2, column::2]) for row in (0, 1) for column in (0, 1)]
    return max(float(np.sqrt(np.mean(np.square(levels)))), least_noise(record))


def _task(
    record: Record,
    operator: LinearOperator,
    noise: float | None,
    *,
    sampler: str = SAMPLER,
    present: Callable[[Tensor], Record] | None = None,
    y: Tensor | None = None,
    facts: Mapping[str, Any] | None = None,
) -> Task:
    """The task of a picture.

    y: what was measured; else all that the file holds. ValueError where no noise is given; of none
    at all, half a step of the file's depth is taken.
    """
    facts = dict(facts or {})
    if noise is None:
        raise ValueError(
            f"the noise of {_name(record)} cannot be guessed; give its standard deviation in units "
            "of the full range, --noise 0.05"
        )
    if noise == 0:
        noise = least_noise(record)
        facts["noise"] = "given as 0, taken as half a step of the file's depth"
    y = record.signal if y is None else y
    measurement = Measurement(y, operator, Gaussian(noise))
    prior = PRIORS[operator.in_shape[0]]
    present = present or record.with_signal
    return Task(measurement, prior, SamplerChoice(sampler, STEPS), present, facts=facts)


def _coloured(record: Record) -> torch.Size:
    if len(record.signal) != 3:
        raise ValueError(f"{_name(record)} is grey; a picture in colour is needed")
    return record.signal.shape


def _name(record: Record) -> str:
    return "the picture" if record.source is None else str(record.source)


denoise = Recipe(solve_denoise, observe_denoise, degraded, estimate_noise)
inpaint = Recipe(solve_inpaint, observe_inpaint, degraded_inpaint)
deblur = Recipe(solve_deblur, observe_deblur, degraded, estimate_noise)
superresolve = Recipe(
    solve_superresolve, observe_superresolve, degraded_superresolve, estimate_noise
)
demosaic = Recipe(solve_demosaic, observe_demosaic, degraded, estimate_noise_of_mosaic)
colorize = Recipe(solve_colorize, observe_colorize, degraded, estimate_noise)
