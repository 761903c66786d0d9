"""Radial and spiral trajectories, turned by the golden angle (Winkelmann et al., 2007)."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

GOLDEN = math.pi * (math.sqrt(5) - 1) / 2  # 111.25 degrees: of a spoke that is a whole diameter


def radial(size: Sequence[int], spokes: int, samples: int | None = None) -> Tensor:
    """Golden-angle diameters; (spokes, samples, 2): (ky, kx) in cycles per field of view.

    size: (y, x) pixels. samples: along a spoke, twice the larger size by default; the middle one
    (index samples // 2) is the middle of k-space.
    """
    samples = 2 * max(size) if samples is None else samples
    along = (torch.arange(samples, dtype=torch.float64) - samples // 2) / samples
    angle = GOLDEN * torch.arange(spokes, dtype=torch.float64)
    return torch.stack(
        [
            size[0] * torch.outer(angle.sin(), along),
            size[1] * torch.outer(angle.cos(), along),
        ],
        -1,
    )


def spiral(
    size: Sequence[int], arms: int, samples: int | None = None, *, turns: float | None = None
) -> Tensor:
    """Archimedean arms from the middle, each turned by the golden angle; (arms, samples, 2).

    turns: of an arm, by default a 32nd of the larger size: 16 arms have Nyquist's distance.
    samples: along an arm, by default one a cycle per field of view.
    """
    turns = max(size) / 32 if turns is None else turns
    samples = math.ceil(math.pi * turns * max(size) / 2) if samples is None else samples
    share = torch.linspace(0, 1, samples, dtype=torch.float64).sqrt()  # equal steps along the arm
    angle = 2 * math.pi * turns * share + GOLDEN * torch.arange(arms)[:, None].double()
    return torch.stack(
        [size[0] / 2 * share * angle.sin(), size[1] / 2 * share * angle.cos()],
        -1,
    )


def nearest(points: Tensor, shape: Sequence[int]) -> Tensor:
    """The samples of (ky, kx) nearest to points (..., 2), as flat indices; (...), int64."""
    y, x = (
        (points[..., axis].round().long() + n // 2).clamp(0, n - 1) for axis, n in enumerate(shape)
    )
    return y * shape[1] + x
