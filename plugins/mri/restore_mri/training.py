"""What the MRI prior is trained on: slices of magnitude images with a synthetic smooth phase.

Files hold magnitudes only, so phases are made. Most are small: what is left where the phase of the
middle of k-space was taken off (`restore_mri.coils.phase`); the rest is any smooth field, as B0
and coils give it. Each slice is there twice, the second time at a random lower resolution, cut out
of its k-space as a scanner would.
Volumes are scaled to a 99th percentile of 1 over their own voxels, as measurements are
(`restore_mri.recipes.mri`); photographs may be among the files, for edges that brains do not have.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import torch
from restore_dicom.training import slices_of
from torch import Tensor
from torch.nn import functional

from restore.networks.material import Material

from .kspace.calibration import middle
from .kspace.samples import to_image, to_kspace
from .kspace.scale import PERCENTILE, quantile

EMPTY = 0.02  # a slice whose mean is less is background
GAIN = (0.5, 1.4)  # of a patch's magnitude
CONTRASTS = (0.5, 0.25, 0.15)  # strength of the first cosines of a random log-gain of intensities
WHITE = 1.5  # the intensity that they span
RESIDUAL = 0.8  # share of the phases that are no more than a residual
RIPPLE, NODES = 0.3, (4, 16)  # its typical size in radians, and how fast it may change
COARSER, SMALLEST = (0.4, 0.8), 96  # of the resolution; in pixels


def material(folders: Sequence[Path], validation: Path | None = None) -> Material:
    """Every file below the folders that a reader takes, as slices along all thick axes."""
    from restore.files.training import read_records

    signals = [part for record in read_records(*folders) for part in slices(record.signal)]
    signals += coarser(signals, torch.Generator().manual_seed(2))
    held = [] if validation is None else read_records(validation)
    parts = [part.float() for record in held for part in slices(record.signal)]
    generator = torch.Generator().manual_seed(1)
    checked = [with_phase(part[None], generator)[0] for part in parts]
    return Material(signals, checked, augment=augment, channels=2, mean=0.0, sigma_data=0.35)


def slices(signal: Tensor) -> list[Tensor]:
    """The 2-D magnitudes (1, height, width) of a picture or volume, at 99th percentile 1."""
    magnitude = signal.float().abs()
    magnitude = magnitude.mean(0) if len(magnitude) in (1, 3) else magnitude.square().sum(0).sqrt()
    volume = magnitude if magnitude.ndim == 3 else magnitude[None]
    volume = volume / quantile(volume, PERCENTILE).clamp_min(1e-12)
    return [part.half() for part in slices_of(volume) if part.mean() > EMPTY]


def augment(batch: Tensor, generator: torch.Generator) -> Tensor:
    """(batch, 1, h, w) magnitudes -> (batch, 2, h, w): other contrasts, and a smooth phase."""
    return with_phase(recontrasted(batch, generator), generator)


def recontrasted(magnitude: Tensor, generator: torch.Generator) -> Tensor:
    """Each patch with another gain, and with a gain that varies smoothly with the intensity.

    What is black stays black; what was brighter need not stay brighter: other weightings of the
    same anatomy.
    """
    low, high = (math.log(gain) for gain in GAIN)
    gain = low + (high - low) * torch.rand(len(magnitude), 1, 1, 1, generator=generator)
    place = (magnitude / WHITE).clamp(max=1)
    for order, strength in enumerate(CONTRASTS, 1):
        size = strength * torch.randn(len(magnitude), 1, 1, 1, generator=generator)
        gain = gain + size * torch.cos(math.pi * order * place)
    return magnitude * gain.exp()


def with_phase(magnitude: Tensor, generator: torch.Generator, residual: float = RESIDUAL) -> Tensor:
    """Real and imaginary part, (batch, 2, h, w), of magnitudes (batch, 1, h, w).

    The phase of a share of them, `residual`: a small field of 4x4 to 16x16 nodes. Of the others:
    uniform, plus a linear ramp, plus a smooth field of 4x4 nodes. All random.
    """
    chosen = torch.rand(len(magnitude), 1, 1, 1, generator=generator) < residual
    small = _small_phase(magnitude, generator)
    phase = torch.where(chosen, small, _any_phase(magnitude, generator))
    return torch.cat([magnitude * phase.cos(), magnitude * phase.sin()], 1)


def _small_phase(like: Tensor, generator: torch.Generator) -> Tensor:
    size = RIPPLE * torch.randn(len(like), 1, 1, 1, generator=generator)
    nodes = torch.randint(NODES[0], NODES[1] + 1, (), generator=generator)
    return size * _field(like, int(nodes), generator)


def _any_phase(like: Tensor, generator: torch.Generator) -> Tensor:
    batch, _, height, width = like.shape
    offset = 2 * math.pi * torch.rand(batch, 1, 1, 1, generator=generator)
    slope = 0.02 * torch.randn(batch, 2, 1, 1, generator=generator)  # radians a pixel
    rows = torch.arange(height, dtype=torch.float32)[:, None] * slope[:, :1]
    columns = torch.arange(width, dtype=torch.float32)[None] * slope[:, 1:]
    strength = torch.rand(batch, 1, 1, 1, generator=generator)
    return offset + rows + columns + strength * _field(like, 4, generator)


def _field(like: Tensor, nodes: int, generator: torch.Generator) -> Tensor:
    """Smooth noise of about unit size, (batch, 1, h, w)."""
    values = torch.randn(len(like), 1, nodes, nodes, generator=generator)
    return functional.interpolate(values, like.shape[-2:], mode="bicubic", align_corners=True)


def coarser(parts: Sequence[Tensor], generator: torch.Generator) -> list[Tensor]:
    """The slices (1, h, w) at a random lower resolution: the middle of their k-space."""
    low, high = COARSER
    found = []
    for part in parts:
        share = low + (high - low) * torch.rand((), generator=generator).item()
        size = [max(SMALLEST, round(share * n)) for n in part.shape[-2:]]
        if size[0] >= part.shape[-2] or size[1] >= part.shape[-1]:
            continue
        gain = math.sqrt(math.prod(size) / math.prod(part.shape[-2:]))
        image = to_image(middle(to_kspace(part.float().to(torch.complex64)), size)).abs() * gain
        found.append(image.half())
    return found
