"""Pictures of a complex volume for the report, and its two real channels."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from restore.files.task import Record

BRIGHT = 1.2  # of the scale, the 99th percentile: white


def magnitudes(scale: float) -> Callable[[Record], Mapping[str, Tensor]]:
    """The middle slice of a volume, all on one grey scale."""

    def views(record: Record) -> Mapping[str, Tensor]:
        volume = record.signal.abs()
        return {"": volume[:, volume.shape[1] // 2] / (BRIGHT * scale)}

    return views


def channels(image: Tensor) -> Tensor:
    """Complex (1, ...) -> real (2, ...)."""
    return torch.cat([image.real, image.imag])
