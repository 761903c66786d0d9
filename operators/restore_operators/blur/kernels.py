"""Blur kernels and antialiasing windows: (height, width), float64, of sum 1."""

import math

import torch
from torch import Tensor

from restore.measurement.checks import real_number

CHORDS = 256  # a pixel at the edge of a disc is covered to 1e-4


def gaussian_kernel(std: float, size: int | None = None) -> Tensor:
    """Samples of a Gaussian of `std` pixels; 2 round(4 std) + 1 wide unless `size` is given.

    An even size is centred between its two middle pixels, as a window for even factors is.
    """
    if not real_number(std, "the standard deviation") > 0:
        raise ValueError(f"the standard deviation must be positive, got {std}")
    size = 2 * round(4 * std) + 1 if size is None else size
    return _outer(torch.exp(-0.5 * (_positions(size) / std) ** 2))


def motion_kernel(length: float, angle_degrees: float = 0.0) -> Tensor:
    """A straight path of `length` pixels, counter-clockwise from the horizontal.

    Each pixel weighs what part of the path lies inside it.
    """
    if not real_number(length, "the length") > 0:
        raise ValueError(f"the length must be positive, got {length}")
    angle = math.radians(angle_degrees)
    along = torch.tensor([-math.sin(angle), math.cos(angle)], dtype=torch.float64)  # rows go down
    along[along.abs() < 1e-12] = 0  # the cosine of a right angle
    reach = [math.ceil(abs(a) * length / 2 - 0.5 - 1e-9) for a in along.tolist()]
    edges = [torch.tensor([-length / 2, length / 2], dtype=torch.float64)]
    for a, n in zip(along, reach, strict=True):
        if n:  # where the path crosses from pixel to pixel
            edges.append((torch.arange(-n, n, dtype=torch.float64) + 0.5) / a)
    cuts = torch.cat(edges).clamp(-length / 2, length / 2).sort().values
    middles = (cuts[1:] + cuts[:-1]) / 2
    rows, columns = ((middles * a).round().long() + n for a, n in zip(along, reach, strict=True))
    kernel = torch.zeros(2 * reach[0] + 1, 2 * reach[1] + 1, dtype=torch.float64)
    kernel.index_put_((rows, columns), cuts.diff(), accumulate=True)
    return kernel / kernel.sum()


def disc_kernel(radius: float) -> Tensor:
    """A lens out of focus: a disc of `radius` pixels; each pixel weighs the area covered of it."""
    if not real_number(radius, "the radius") > 0:
        raise ValueError(f"the radius must be positive, got {radius}")
    reach = math.ceil(radius - 0.5)
    size = 2 * reach + 1
    fine = _positions(size * CHORDS) / CHORDS
    half = (radius**2 - fine**2).clamp(min=0).sqrt()  # half a chord
    centres = _positions(size)[:, None]
    covered = torch.minimum(half, centres + 0.5) - torch.maximum(-half, centres - 0.5)
    area = covered.clamp(min=0).reshape(size, size, CHORDS).mean(2)
    kernel = area + area.T
    return kernel / kernel.sum()


def box_kernel(factor: int) -> Tensor:
    """The mean of factor x factor pixels."""
    return _outer(torch.ones(factor, dtype=torch.float64))


def bicubic_kernel(factor: int) -> Tensor:
    """Cubic convolution stretched by the factor, against aliasing (Keys, 1981, a = -1/2)."""
    size = 4 * factor - factor % 2
    x = _positions(size).abs() / factor
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return _outer(torch.where(x <= 1, near, torch.where(x < 2, far, 0)))


def _positions(size: int) -> Tensor:
    """Pixels counted from the middle of `size` of them."""
    return torch.arange(size, dtype=torch.float64) - (size - 1) / 2


def _outer(profile: Tensor) -> Tensor:
    profile = profile / profile.sum()
    return profile[:, None] * profile
