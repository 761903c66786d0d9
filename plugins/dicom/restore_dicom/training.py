"""Slices of medical volumes, for priors of slices to be trained on."""

from collections.abc import Iterator

from torch import Tensor

LEAST = 48  # voxels a side; thinner slices say little
MANY = 64  # slices along an axis, of which every second one is taken: neighbours are alike


def slices_of(volume: Tensor) -> Iterator[Tensor]:
    """Slices (1, height, width) of a volume (z, y, x) along each axis that has large ones."""
    for axis in range(3):
        if min(n for other, n in enumerate(volume.shape) if other != axis) < LEAST:
            continue
        for part in volume.movedim(axis, 0)[:: 2 if volume.shape[axis] > MANY else 1]:
            yield part[None]
