"""What the CT prior is trained on, in units of water's attenuation: air 0, water 1, bone about 2.

Hounsfield units are taken as they are. Files of 8 bits have lost theirs: they serve as shapes,
at values drawn for each. Random phantoms make up for how few there are.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from restore_dicom.training import slices_of
from torch import Tensor
from torch.nn import functional

from restore.networks.material import Material

from .phantoms import phantoms

FINE = 128  # slices of fewer voxels a side are enlarged to at least so many
EMPTY = 0.01  # a slice whose mean is less is air
GAIN = 0.05  # of a patch, each way
PHANTOMS = 400
COUNTED = 3  # times that a slice in Hounsfield units counts: they are few, and they are real


def material(folders: Sequence[Path], validation: Path | None = None) -> Material:
    """Every file below the folders that a reader takes, as slices along all thick axes."""
    from restore.files.training import read_records

    generator = torch.Generator().manual_seed(2)
    signals = list(phantoms(PHANTOMS))
    for record in read_records(*folders):
        hounsfield = record.meta.get("units") == "HU"
        parts = slices(record.signal, generator, hounsfield=hounsfield)
        signals += parts * (COUNTED if hounsfield else 1)
    held = [] if validation is None else read_records(validation)
    kept = [part for r in held for part in slices(r.signal, generator, hounsfield=True)]
    return Material(signals, kept, augment=augment, channels=1, mean=0.5, sigma_data=0.55)


def slices(signal: Tensor, generator: torch.Generator, *, hounsfield: bool) -> list[Tensor]:
    """Pictures (1, height, width) of a volume (1, z, y, x) or a picture (channels, y, x)."""
    volume = signal[0].float() if signal.ndim == 4 else signal.float().mean(0, keepdim=True)
    if hounsfield:
        volume = (1 + volume / 1000).clamp_min(0)
    else:
        volume = (volume - volume.min()) / (volume.max() - volume.min()).clamp_min(1e-12)
    pictures = [_enlarged(part) for part in slices_of(volume)]
    pictures = [picture for picture in pictures if picture.mean() > EMPTY]
    return [(x if hounsfield else _valued(x, generator)).half() for x in pictures]


def augment(batch: Tensor, generator: torch.Generator) -> Tensor:
    """Another gain for each patch: kilovolts and beam hardening move attenuation by as much."""
    return batch * (1 + GAIN * (2 * torch.rand(len(batch), 1, 1, 1, generator=generator) - 1))


def _valued(shape: Tensor, generator: torch.Generator) -> Tensor:
    """A shape from 0 to 1 between two random attenuations of air, tissue and bone."""
    ends = torch.rand(2, generator=generator) * torch.tensor([1.1, 2.0])
    return ends[0] + (ends[1] - ends[0]) * shape


def _enlarged(picture: Tensor) -> Tensor:
    factor = -(-FINE // min(picture.shape[1:]))
    if factor == 1:
        return picture
    larger = functional.interpolate(
        picture[None], scale_factor=factor, mode="bicubic", align_corners=False
    )
    return larger[0].clamp_min(0)
