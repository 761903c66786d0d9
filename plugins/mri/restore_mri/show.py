"""How complex volumes are seen, and how a prior of slices sees them."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from restore.prior import Prior
from restore.task import Record

BRIGHT = 1.2  # of the scale, the 99th percentile: white


def sliced_along_z(prior: Prior) -> Prior:
    """A prior of slices (2, y, x), of volumes (2, z, y, x); one of volumes is left as it is."""
    from restore.priors.sliced import sliced

    return sliced(prior, axis=1) if prior.shape is None or len(prior.shape) == 3 else prior


def magnitudes(scale: float) -> Callable[[Record], Mapping[str, Tensor]]:
    """The middle slice of a volume, all on one grey scale."""

    def views(record: Record) -> Mapping[str, Tensor]:
        volume = record.signal.abs()
        return {"": volume[:, volume.shape[1] // 2] / (BRIGHT * scale)}

    return views


def channels(image: Tensor) -> Tensor:
    """Complex (1, ...) -> real (2, ...)."""
    return torch.cat([image.real, image.imag])
