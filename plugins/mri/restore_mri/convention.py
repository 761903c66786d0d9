"""Which convention k-space was stored in: told from where its energy and its picture lie."""

import math

import torch
from torch import Tensor

from .kspace import to_image

NEAR = 8  # a peak counts as central, or as at the corner, within an eighth of the axis
SMALLEST = 8  # samples; fewer do not tell a middle from a corner
ROLLED = 0.85  # of the picture's energy in the outer half of an axis: it is rolled by half of it
PLANE = {-2: "row", -1: "column"}


def centred(samples: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor | None, list[str]]:
    """k-space and mask with zero frequency and field of view in the middle, and what was done.

    The energy peaks at zero frequency. A peak near the middle, though not on it, is normal; one at
    the corner is a file without fftshift. ValueError for one elsewhere: no convention has it.
    """
    said = []
    for axis in (-2, -1):
        n, peak = samples.shape[axis], int(_profile(samples, axis).argmax())
        if n < SMALLEST or abs(peak - n // 2) * NEAR <= n:
            continue
        if min(peak, n - peak) * NEAR > n:
            raise ValueError(
                f"the energy peaks at {PLANE[axis]} {peak} of {n}, neither in the middle nor at "
                "the corner: this is no k-space of a known convention"
            )
        samples = torch.fft.fftshift(samples, axis)
        mask = None if mask is None else torch.fft.fftshift(mask, axis)
        said.append(f"zero frequency was moved from {PLANE[axis]} {peak} to the middle, {n // 2}")
    for axis in (-2, -1):
        outer = _outer(samples, axis)
        if samples.shape[axis] >= SMALLEST and outer > ROLLED:
            samples = samples * _ramp(samples.shape[axis], axis)
            said.append(
                f"the picture was rolled by half its {PLANE[axis]}s: {outer:.0%} of its energy lay "
                "in their outer half"
            )
    return samples, mask, said


def _profile(x: Tensor, axis: int) -> Tensor:
    """Energy along one axis, summed over the others."""
    return x.abs().double().square().movedim(axis, 0).flatten(1).sum(1)


def _outer(samples: Tensor, axis: int) -> float:
    """The share of the picture's energy in the outer half of an axis."""
    energy = _profile(to_image(samples), axis)
    n = len(energy)
    inner = energy[n // 4 : n // 4 + math.ceil(n / 2)].sum()
    return float(1 - inner / energy.sum())


def _ramp(n: int, axis: int) -> Tensor:
    """The phase that rolls a picture by -(n // 2) pixels: the shift theorem."""
    turns = (torch.arange(n, dtype=torch.float64) - n // 2) * (n // 2) / n
    ramp = torch.polar(torch.ones_like(turns), 2 * math.pi * turns).to(torch.complex64)
    return ramp[:, None] if axis == -2 else ramp
