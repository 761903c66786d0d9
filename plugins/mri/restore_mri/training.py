"""What the MRI prior is trained on: slices of magnitude images with a synthetic smooth phase.

Files hold magnitudes only, so phases are made: a smooth random field, as B0 and coils give it.
Volumes are scaled to a 99th percentile of 1 over their own voxels, as measurements are
(`restore_mri.recipes`); photographs may be among the files, for edges that brains do not have.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from restore.training import Material

PERCENTILE = 0.99
LEAST = 48  # voxels a side; thinner slices say little
EMPTY = 0.02  # a slice whose mean is less is background
MOST = 4_000_000  # values of one volume that a quantile is taken of
GAIN = (0.5, 1.4)  # of a patch's magnitude


def material(folders: Sequence[Path], validation: Path | None = None) -> Material:
    """Every file below the folders that a reader takes, as slices along all thick axes."""
    from restore.training_files import read_records

    signals = [part for record in read_records(*folders) for part in slices(record.signal)]
    held = [] if validation is None else read_records(validation)
    parts = [part.float() for record in held for part in slices(record.signal)]
    generator = torch.Generator().manual_seed(1)
    checked = [with_phase(part[None], generator)[0] for part in parts]
    return Material(signals, checked, augment=augment, channels=2, mean=0.0, spread=0.35)


def slices(signal: Tensor) -> list[Tensor]:
    """The 2-D magnitudes (1, height, width) of a picture or volume, at 99th percentile 1."""
    magnitude = signal.float().abs()
    magnitude = magnitude.mean(0) if len(magnitude) in (1, 3) else magnitude.square().sum(0).sqrt()
    volume = magnitude if magnitude.ndim == 3 else magnitude[None]
    volume = volume / quantile(volume, PERCENTILE).clamp_min(1e-12)
    found = []
    for axis in range(3):
        plane = [n for other, n in enumerate(volume.shape) if other != axis]
        if min(plane) < LEAST:
            continue
        step = 2 if volume.shape[axis] > 64 else 1
        parts = volume.movedim(axis, 0)[::step]
        found += [part[None].half() for part in parts if part.mean() > EMPTY]
    return found


def quantile(values: Tensor, share: float) -> Tensor:
    """Of all values, or of an even choice of them where there are too many."""
    flat = values.flatten()
    return flat[:: 1 + flat.numel() // MOST].quantile(share)


def augment(batch: Tensor, generator: torch.Generator) -> Tensor:
    """(batch, 1, h, w) magnitudes -> (batch, 2, h, w): another gain, and a smooth phase."""
    low, high = (math.log(gain) for gain in GAIN)
    gain = low + (high - low) * torch.rand(len(batch), 1, 1, 1, generator=generator)
    return with_phase(batch * gain.exp(), generator)


def with_phase(magnitude: Tensor, generator: torch.Generator) -> Tensor:
    """Real and imaginary part, (batch, 2, h, w), of magnitudes (batch, 1, h, w).

    The phase: uniform, plus a linear ramp, plus a smooth field of 4x4 nodes; all random.
    """
    batch, _, height, width = magnitude.shape
    offset = 2 * math.pi * torch.rand(batch, 1, 1, 1, generator=generator)
    slope = 0.02 * torch.randn(batch, 2, 1, 1, generator=generator)  # radians a pixel
    rows = torch.arange(height, dtype=torch.float32)[:, None] * slope[:, :1]
    columns = torch.arange(width, dtype=torch.float32)[None] * slope[:, 1:]
    nodes = torch.randn(batch, 1, 4, 4, generator=generator)
    strength = torch.rand(batch, 1, 1, 1, generator=generator)
    field = functional.interpolate(nodes, (height, width), mode="bicubic", align_corners=True)
    phase = offset + rows + columns + strength * field
    return torch.cat([magnitude * phase.cos(), magnitude * phase.sin()], 1)
