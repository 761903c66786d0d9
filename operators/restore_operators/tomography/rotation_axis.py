"""Where the axis of rotation falls on the detector of a parallel beam."""

import math

import torch
from torch import Tensor

from .projector import checked_angles

STEPS = 1.5  # between views: how far from half a turn apart a pair may stand
OVERLAP = 0.25  # of the detector, at least, that a view and its mirror image share


def centre_of_rotation(sinogram: Tensor, angles: Tensor) -> float:
    """The bin, with its fraction, that the axis falls on; (..., views, bins), (views,) -> float.

    Views half a turn apart are mirror images of each other about the axis: it stands where their
    correlation coefficient over the bins that they share is highest, over all such pairs and
    leading axes, refined by a parabola. `axis_offset` makes the detector's offset of it.
    ValueError where no two views stand half a turn apart, to one and a half steps, or where
    nothing correlates.
    """
    angles = checked_angles(angles)
    if sinogram.ndim < 2 or sinogram.shape[-2] != len(angles):
        raise ValueError(
            f"a sinogram is (..., views, bins); {tuple(sinogram.shape)} has no {len(angles)} views"
        )
    first, second = half_turns(angles)
    values = sinogram.detach().double()
    here = values[..., first, :].flatten(0, -2)
    there = values[..., second, :].flip(-1).flatten(0, -2)
    score = _correlation(here, there)
    best = int(score.argmax())
    if not score[best] > 0:
        raise ValueError("views half a turn apart do not resemble each other's mirror images")
    bins = sinogram.shape[-1]
    shift = best - (bins - 1) + _peak(score, best)
    return (bins - 1 + shift) / 2


def half_turns(angles: Tensor) -> tuple[Tensor, Tensor]:
    """Pairs of views half a turn apart, the closest ones there are; (pairs,), (pairs,)."""
    apart = (angles[None] - angles[:, None] - math.pi).remainder(2 * math.pi)
    apart = torch.minimum(apart, 2 * math.pi - apart)
    step = torch.diff(angles.remainder(2 * math.pi).sort()[0])
    step = step[step > 1e-6].median() if (step > 1e-6).any() else torch.tensor(0.0)
    closest = apart.min()
    if closest > STEPS * step + 1e-6:
        raise ValueError(
            "no two views stand half a turn apart: the axis of rotation cannot be found from them"
        )
    first, second = (apart <= closest + 1e-3 * step + 1e-9).nonzero(as_tuple=True)
    return first, second


def _correlation(here: Tensor, there: Tensor) -> Tensor:
    """The correlation of here[j] with there[j - shift], over the bins they share.

    (views, bins) twice -> (2 bins - 1,), one for each shift.

    Means and powers are taken over the same bins, all by FFT (Padfield, 2012).
    """
    bins = here.shape[-1]
    here, there = here - here.mean(-1, keepdim=True), there - there.mean(-1, keepdim=True)
    ones = torch.ones_like(here)

    def lagged(a: Tensor, b: Tensor) -> Tensor:
        length = 2 * bins
        product = torch.fft.rfft(a, length) * torch.fft.rfft(b, length).conj()
        return torch.fft.irfft(product, length).roll(bins - 1, -1)[..., : 2 * bins - 1]

    shared = lagged(ones, ones)
    mean_here, mean_there = lagged(here, ones) / shared, lagged(ones, there) / shared
    common = (lagged(here, there) - shared * mean_here * mean_there).sum(0)
    power_here = (lagged(here**2, ones) - shared * mean_here**2).clamp(min=0).sum(0)
    power_there = (lagged(ones, there**2) - shared * mean_there**2).clamp(min=0).sum(0)
    power = (power_here * power_there).sqrt()
    enough = (shared[0] >= OVERLAP * bins) & (power > 1e-9 * power.max())
    return torch.where(enough, common / power, -1)


def _peak(score: Tensor, best: int) -> float:
    """How far from `best` the parabola through it and its neighbours has its top."""
    if not 0 < best < len(score) - 1:
        return 0.0
    before, top, after = score[best - 1 : best + 2].tolist()
    bend = before - 2 * top + after
    return 0.0 if bend >= 0 else (before - after) / (2 * bend)
