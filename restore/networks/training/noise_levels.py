"""The noise that a denoiser is trained on: random levels, and random maps of them.

The maps are after the noises that the exact posterior score asks for (arXiv:2606.17048): masks and
colour filters give two levels, readings of varying quality smooth fields.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import interpolate

CONSTANT = 0.5  # share of signals with one level: the ordinary denoiser stays as good as it was
UNSEEN = 0.25  # share of two-level maps whose higher level is the highest: nothing was measured


@dataclass(frozen=True)
class NoiseLevels:
    """The noise that a denoiser is trained on: log-normal levels, and a share of log-uniform."""

    sigma_min: float = 0.002
    sigma_max: float = 10.0
    sigma_median: float = 0.1  # of the log-normal levels, EDM's exp(P_mean)
    sigma_spread: float = 1.2  # their standard deviation in log sigma, EDM's P_std
    uniform: float = 0.15  # share of levels drawn log-uniformly, so that no level starves

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Noise levels of one batch; (count,)."""
        low, high = math.log(self.sigma_min), math.log(self.sigma_max)
        normal = torch.randn(count, generator=generator) * self.sigma_spread
        level = normal + math.log(self.sigma_median)
        uniform = low + (high - low) * torch.rand(count, generator=generator)
        is_uniform = torch.rand(count, generator=generator) < self.uniform
        return torch.where(is_uniform, uniform, level).clamp(low, high).exp()


def draw_maps(
    levels: NoiseLevels, count: int, shape: tuple[int, ...], generator: torch.Generator
) -> Tensor:
    """Noise levels for every value of `count` signals; (count, *shape), shape (channels, *size).

    Half of the maps are constant. The others mix two levels:
    independently for each value, in regions, on a lattice such as a Bayer filter's, or smoothly;
    in a quarter of them the higher one is the highest there is, as where nothing was measured.
    """
    first, second = levels.draw(count, generator), levels.draw(count, generator)
    low, high = torch.minimum(first, second), torch.maximum(first, second)
    kinds = (_independent, _independent, _patches, _lattice, _smooth)
    maps = []
    for i in range(count):
        if uniform(generator) < CONSTANT:
            maps.append(first[i].expand(shape))
            continue
        share = kinds[integer(len(kinds), generator)](shape, generator)  # of the lower level
        upper = torch.tensor(levels.sigma_max) if uniform(generator) < UNSEEN else high[i]
        maps.append((share * low[i].log() + (1 - share) * upper.log()).exp())
    return torch.stack(maps)


def _independent(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Each value by its own coin; all channels of a sample alike in two of three maps."""
    channels = shape[0] if uniform(generator) < 1 / 3 else 1
    drawn = torch.rand(channels, *shape[1:], generator=generator)
    return (drawn < uniform(generator)).float().expand(shape)


def _patches(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Connected regions of any outline."""
    return (_field(shape, generator) < uniform(generator)).float()


def _lattice(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """A pattern repeated along every axis with a period of 2 to 4, such as a Bayer filter."""
    periods = [2 + integer(3, generator) for _ in shape[1:]]
    tile = torch.rand(shape[0], *periods, generator=generator) < uniform(generator)
    repeats = [-(-n // period) for n, period in zip(shape[1:], periods, strict=True)]
    lattice = tile.float().repeat(1, *repeats)
    return lattice[(slice(None), *(slice(n) for n in shape[1:]))]


def _smooth(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Levels that change slowly from the lower to the higher."""
    return _field(shape, generator)


def _field(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """A smooth random field between 0 and 1, the same in all channels; shape."""
    knots = 2 + integer(6, generator)
    modes = {1: "linear", 2: "bilinear", 3: "trilinear"}
    coarse = torch.rand(1, 1, *(knots,) * (len(shape) - 1), generator=generator)
    field = interpolate(coarse, shape[1:], mode=modes[len(shape) - 1], align_corners=True)[0]
    return field.expand(shape)


def uniform(generator: torch.Generator) -> float:
    """A number from 0 to 1."""
    return float(torch.rand((), generator=generator))


def integer(stop: int, generator: torch.Generator) -> int:
    """A whole number from 0, below stop."""
    return int(torch.randint(stop, (), generator=generator))
