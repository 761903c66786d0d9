"""Random heads and bodies to train on, in units of water's attenuation: shapes, not anatomy.

Outlines are circles with a few random harmonics; what lies inside is cut out of smooth random
fields, so that bone, air and soft tissue meet in boundaries of every size.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional


def phantoms(count: int, size: int = 256, seed: int = 0) -> list[Tensor]:
    """`count` pictures (1, size, size): heads and bodies in turn."""
    generator = torch.Generator().manual_seed(seed)
    draw = (_head, _body)
    return [_soften(draw[i % 2](size, generator), generator)[None] for i in range(count)]


def field(size: int, scale: float, generator: torch.Generator) -> Tensor:
    """A smooth Gaussian field of variance one; scale: its grain as a share of the picture."""
    nodes = max(4, round(1 / scale))
    coarse = torch.randn(1, 1, nodes, nodes, generator=generator)
    smooth = functional.interpolate(coarse, (size, size), mode="bicubic", align_corners=True)
    return smooth[0, 0] / smooth.std().clamp_min(1e-6)


def outline(size: int, generator: torch.Generator) -> Tensor:
    """Radius of each pixel in units of a random closed curve's: below one inside, (size, size)."""
    axis = torch.linspace(-1, 1, size)
    shift = 0.1 * (2 * torch.rand(2, generator=generator) - 1)
    half = 0.6 + 0.3 * torch.rand(2, generator=generator)
    y, x = (axis[:, None] - shift[0]) / half[0], (axis[None] - shift[1]) / half[1]
    angle, radius = torch.atan2(y.expand(size, size), x.expand(size, size)), (y**2 + x**2).sqrt()
    bound = torch.ones(size, size)
    for order in range(2, 6):
        phase = 2 * math.pi * torch.rand((), generator=generator)
        bound += 0.12 / order * torch.randn((), generator=generator) * (order * angle + phase).cos()
    return radius / bound.clamp_min(0.3)


def _head(size: int, generator: torch.Generator) -> Tensor:
    radius = outline(size, generator)
    wobble = 0.02 * field(size, 0.15, generator)
    scalp, skull = (0.03 + 0.06 * torch.rand((), generator=generator) for _ in range(2))
    outer, inner = 1 - scalp + wobble, 1 - scalp - skull + 1.5 * wobble
    picture = torch.where(radius < 1, _between(0.9, 1.06, generator), torch.tensor(0.0))
    bone = _between(1.6, 2.3, generator) + 0.15 * field(size, 0.02, generator)
    picture = torch.where((radius < outer) & (radius >= inner), bone, picture)
    marrow = (radius - (outer + inner) / 2).abs() < 0.12 * skull
    picture = torch.where(marrow & (wobble > 0), _between(1.2, 1.5, generator), picture)
    inside = radius < inner
    picture = torch.where(inside, _tissue(size, generator), picture)
    if torch.rand((), generator=generator) < 0.6:  # the base of a skull: bone and air cells
        where = inside & (field(size, 0.3, generator) > 0.2)
        grain = 0.02 + 0.08 * torch.rand((), generator=generator).item()
        cells = field(size, grain, generator)
        picture = torch.where(where & (cells.abs() < 0.35), bone, picture)
        picture = torch.where(where & (cells > 0.9), torch.tensor(0.0), picture)
    return _table(picture, radius, generator)


def _body(size: int, generator: torch.Generator) -> Tensor:
    radius = outline(size, generator)
    fat = 0.88 + 0.02 * field(size, 0.1, generator)
    picture = torch.where(radius < 1, fat, torch.tensor(0.0))
    inside = radius < 0.8 + 0.05 * field(size, 0.2, generator)
    picture = torch.where(inside, _tissue(size, generator), picture)
    for _ in range(int(torch.randint(2, 7, (), generator=generator))):
        organ = outline(size, generator)
        shift = [int(s) for s in torch.randint(-size // 4, size // 4, (2,), generator=generator)]
        organ = organ.roll(shift, (0, 1)) * _between(2.0, 6.0, generator)
        kind = torch.rand((), generator=generator)
        value = _between(0.15, 0.3, generator) if kind < 0.3 else _between(0.95, 1.12, generator)
        value = _between(1.3, 2.0, generator) if kind > 0.75 else value
        grain = value * (1 + 0.05 * field(size, 0.03, generator))
        picture = torch.where(inside & (organ < 1), grain, picture)
    return _table(picture, radius, generator)


def _tissue(size: int, generator: torch.Generator) -> Tensor:
    """Two or three kinds of soft tissue with sharp boundaries between them."""
    first = field(size, 0.05 + 0.2 * torch.rand((), generator=generator).item(), generator)
    second = field(size, 0.1, generator)
    base = _between(1.0, 1.06, generator)
    picture = base + 0.015 * (first > 0.3) - 0.03 * (second > 1.2)
    return picture + 0.004 * field(size, 0.02, generator)


def _table(picture: Tensor, radius: Tensor, generator: torch.Generator) -> Tensor:
    """Sometimes a thin arc outside, as a head rest or a table gives."""
    if torch.rand((), generator=generator) > 0.5:
        return picture
    at = _between(1.05, 1.25, generator)
    rows = torch.arange(len(picture))[:, None] > len(picture) / 2
    arc = ((radius - at).abs() < 0.012) & rows
    return torch.where(arc & (picture == 0), _between(0.1, 0.6, generator), picture)


def _soften(picture: Tensor, generator: torch.Generator) -> Tensor:
    """The blur of a scanner, 0 to 1 pixels, and a little of its noise."""
    width = torch.rand((), generator=generator).item()
    x = torch.arange(-3, 4, dtype=torch.float32)
    kernel = (-0.5 * (x / max(width, 0.1)) ** 2).exp()
    kernel = (kernel / kernel.sum()).reshape(1, 1, 1, 7)
    picture = functional.conv2d(picture[None, None], kernel, padding=(0, 3))
    picture = functional.conv2d(picture, kernel.transpose(-1, -2), padding=(3, 0))[0, 0]
    noise = 0.006 * torch.rand((), generator=generator)
    return (picture + noise * torch.randn(picture.shape, generator=generator)).clamp_min(0)


def _between(low: float, high: float, generator: torch.Generator) -> Tensor:
    return low + (high - low) * torch.rand((), generator=generator)
