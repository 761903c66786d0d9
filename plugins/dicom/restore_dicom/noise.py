"""The white noise of a volume, from the smallest details of its slices."""

import torch
from torch import Tensor

HALF = 0.6745  # the median of |n| for a standard normal n
LEAST = 500  # blocks that an estimate is made of


def noise_std(volume: Tensor, inside: Tensor) -> float:
    """The std of white noise in a volume (1, z, y, x), from its voxels where `inside` is true.

    The median of the diagonal Haar details of 2x2 blocks (Donoho & Johnstone, Biometrika 1994);
    edges and texture raise it, noise that is correlated between neighbours lowers it. ValueError
    where too few blocks lie inside.
    """
    if not min(volume.shape[-2:]) > 1:
        raise ValueError("the noise cannot be estimated from slices of one line; give it")
    inside = inside.expand_as(volume)[0]
    detail = torch.cat([_details(*each) for each in zip(volume[0], inside)])
    if len(detail) < LEAST:
        raise ValueError(
            f"the noise cannot be estimated from {len(detail)} blocks of voxels; give it"
        )
    return detail.abs().median().item() / HALF


def _details(plane: Tensor, inside: Tensor) -> Tensor:
    """The diagonal details of a slice, of blocks that lie inside; (blocks,) in double precision."""
    height, width = (n - n % 2 for n in plane.shape)
    blocks, within = (
        part[:height, :width].unfold(-2, 2, 2).unfold(-2, 2, 2).flatten(-2)
        for part in (plane.double(), inside)
    )
    signs = torch.tensor([0.5, -0.5, -0.5, 0.5], dtype=torch.float64)
    return (blocks[within.all(-1)] * signs).sum(-1)
