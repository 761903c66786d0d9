"""What a user gives in words or in a file of its own: boxes, blur kernels."""

from pathlib import Path

import numpy as np
import torch
from restore_operators import disc_kernel, gaussian_kernel, motion_kernel
from torch import Tensor

from restore.files.naming import naming
from restore.untrusted.arrays import read_array

from ..files import formats

KERNELS = {"gaussian": (gaussian_kernel, 1), "motion": (motion_kernel, 2), "disc": (disc_kernel, 1)}


def box(text: str) -> tuple[int, int, int, int]:
    """ "y,x,h,w": the top row, the left column, the height and the width of a box, in pixels."""
    try:
        top, left, height, width = (int(part) for part in text.split(","))
    except ValueError:
        raise ValueError(f"a box is y,x,h,w in whole pixels, such as 32,40,16,24: {text}") from None
    return top, left, height, width


def origin(text: str) -> tuple[int, int]:
    """ "row,column" of a pixel of a kernel."""
    try:
        row, column = (int(part) for part in text.split(","))
    except ValueError:
        raise ValueError(f"an origin is ROW,COLUMN in whole pixels, such as 3,3: {text}") from None
    return row, column


def kernel(text: str) -> Tensor:
    """gaussian:STD, motion:LENGTH,ANGLE, disc:RADIUS, or a file; (height, width), of sum 1.

    A file is a picture (the average of its colours) or an array (height, width).
    """
    name, colon, numbers = text.partition(":")
    if colon and name in KERNELS:
        make, count = KERNELS[name]
        return make(*_numbers(text, numbers, count))
    if not Path(text).is_file():
        raise ValueError(
            f"the kernel '{text}' is none of gaussian:STD, motion:LENGTH,ANGLE, disc:RADIUS, "
            "nor a file that is there"
        )
    return _kernel_of(Path(text))


def kind_of_kernel(text: str) -> str:
    """gaussian, motion or disc; "from a file" of any other."""
    name, colon, _ = text.partition(":")
    return name if colon and name in KERNELS else "from a file"


def blur_of(kernel: Tensor) -> float:
    """The standard deviation of a kernel (height, width) of sum 1 along an axis, in pixels.

    The root mean square of both axes; 0 where weights below zero leave no spread.
    """
    variance = 0.0
    for axis in (0, 1):
        weights = kernel.double().sum(1 - axis)
        places = torch.arange(len(weights), dtype=torch.float64)
        centre = (weights * places).sum()
        variance += (weights * (places - centre) ** 2).sum().item() / 2
    return max(variance, 0.0) ** 0.5


def _numbers(text: str, numbers: str, count: int) -> list[float]:
    try:
        values = [float(part) for part in numbers.split(",")]
    except ValueError:
        values = []
    if len(values) != count or not np.isfinite(values).all():
        raise ValueError(f"the kernel '{text}' must have {count} number{'s' * (count > 1)}")
    return values


def _kernel_of(path: Path) -> Tensor:
    with naming(path):
        if path.suffix.lower() == ".npy":
            values = read_array(path)
            if values.ndim != 2 or values.dtype.kind not in "buif":
                raise ValueError(f"a kernel is (height, width) of numbers, got {values.shape}")
            weights = torch.from_numpy(values.astype(np.float64))
        else:
            weights = formats.read(path).signal.double().mean(0)
        total = weights.sum().item()
        if not np.isfinite(total) or total <= 0:
            raise ValueError("the weights of a kernel must have a positive, finite sum")
    return weights / total
