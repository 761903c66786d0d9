"""Which samples of a scan are kept back, to tell by them how far its images are unsure."""

import torch
from torch import Tensor

from restore.sampling.held_out import Split

from ..kspace.calibration import calibration_region, middle
from .scan import Scan

MIDDLE = 48  # lines at most that are never kept back
EVERY = 5  # one line, or sample, of so many is kept back


def kept_back(scan: Scan) -> Split:
    """A split of a scan that keeps back one of five lines outside the calibration region.

    Single samples where no line is whole. Coil maps and phase stay those of all the data.
    """
    mask = scan.mask
    if mask is None:
        mask = torch.ones(scan.kspace.shape[-2:], dtype=torch.bool)
    held = held_mask(mask)
    return Split(scan.masked(mask & ~held).measurement(), scan.masked(held).measurement())


def held_mask(mask: Tensor) -> Tensor:
    """The samples of a mask that are kept back, in the order of k-space; bool, of its shape.

    mask: (ky, kx) or (slice, ky, kx) bool.
    """
    outside = mask.clone()
    try:
        size = calibration_region(mask, largest=MIDDLE)
    except ValueError:
        size = (1, 1)
    for axis, other in ((-1, -2), (-2, -1)):
        if (mask.any(axis) == mask.all(axis)).all():  # lines along this axis, all whole
            box = [mask.shape[-2], mask.shape[-1]]
            box[other] = size[other]
            middle(outside, box).fill_(False)
            lines = outside.any(axis, keepdim=True)
            return _every(lines).expand(mask.shape) & outside
    middle(outside, size).fill_(False)
    return _every(outside)


def _every(points: Tensor) -> Tensor:
    """One of five that are true, from the third on."""
    flat = points.flatten()
    places = flat.nonzero().flatten()[EVERY // 2 :: EVERY]
    return torch.zeros_like(flat).index_fill(0, places, True).reshape(points.shape)
