"""k-space as this house holds it: (slice, coil, ky, kx), centred and orthonormal.

kspace = fftshift(fft2(ifftshift(image), norm="ortho")): zero frequency and the middle of the field
of view both lie at index n // 2.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from restore.measurement.checks import sizes

CHANCE = 1e-3  # a smaller share of exact zeros is quantised data, not undersampling


def to_image(kspace: Tensor, axes: Sequence[int] = (-2, -1)) -> Tensor:
    """Inverse centred orthonormal transform over the given axes."""
    shifted = torch.fft.ifftshift(kspace, tuple(axes))
    return torch.fft.fftshift(torch.fft.ifftn(shifted, dim=axes, norm="ortho"), tuple(axes))


def to_kspace(image: Tensor, axes: Sequence[int] = (-2, -1)) -> Tensor:
    """Centred orthonormal transform over the given axes."""
    shifted = torch.fft.ifftshift(image, tuple(axes))
    return torch.fft.fftshift(torch.fft.fftn(shifted, dim=axes, norm="ortho"), tuple(axes))


def crop_field(samples: Tensor, axis: int, size: int) -> Tensor:
    """k-space of the middle `size` pixels of the field of view along one axis."""
    picture = to_image(samples, (axis,))
    return to_kspace(picture.narrow(axis, first_kept(samples.shape[axis], size), size), (axis,))


def first_kept(n: int, size: int) -> int:
    """The index at which the middle `size` of n pixels begin: n // 2 becomes size // 2."""
    return n // 2 - size // 2


def checked(samples: np.ndarray | Tensor) -> Tensor:
    """Finite complex numbers, as complex64; ValueError for anything else."""
    if isinstance(samples, np.ndarray):
        if samples.dtype.kind != "c":
            raise ValueError(f"k-space is complex, this array holds {samples.dtype}")
        if not samples.size:
            raise ValueError(f"the k-space is empty, {sizes(samples.shape)}")
        samples = torch.from_numpy(np.require(samples, np.complex64, ["C", "W"]))
    samples = samples.to(torch.complex64)
    if not torch.isfinite(torch.view_as_real(samples)).all():
        raise ValueError("the k-space holds values that are not finite (NaN or infinity)")
    if not samples.any():
        raise ValueError("all samples of the k-space are zero")
    return samples


def measured_mask(samples: Tensor) -> Tensor | None:
    """The mask of samples that are not exactly zero in all coils; None where that is everywhere.

    (slice, coil, ky, kx) -> bool (ky, kx), or (slice, ky, kx) where the slices differ. A slice of
    nothing but zeros was measured where the others were.
    """
    sampled = (samples != 0).any(1)
    sampled[~sampled.flatten(1).any(1)] = sampled.any(0)
    return None if (~sampled).float().mean() < CHANCE else shared(sampled)


def intersection(first: Tensor | None, second: Tensor | None) -> Tensor | None:
    """The mask of what two masks both keep; None means all."""
    if first is None or second is None:
        mask = second if first is None else first
    else:
        mask = first & second
    if mask is None or mask.all():
        return None
    return shared(mask)


def shared(mask: Tensor) -> Tensor:
    """A mask (slice, ky, kx) as (ky, kx) where it is the same in all slices."""
    return mask[0] if mask.ndim == 3 and (mask == mask[:1]).all() else mask
