"""Priors of volumes made of priors of their slices: along one axis, or along several in turn."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ..prior import Denoiser, Prior, of_signals
from .joint import within

NAMES = {"z": 1, "y": 2, "x": 3}  # axes of a volume (channels, z, y, x)
TOGETHER = 2**20  # values in one network call: 16 slices of 256x256, 1 of 1024x1024


def sliced(prior: Prior, axis: int | str = 1, *, together: int = TOGETHER) -> Prior:
    """The prior of volumes whose slices are independent; (channels, h, w) -> (channels, z, y, x).

    The slices across `axis` (1, 2 or 3, from behind -3 to -1, or "z", "y", "x") are signals of the
    prior, in the order of the axes that are left, all chains in one batch. Real, imaginary and
    other channels stay together. What ties slices to one another must come from elsewhere: the
    measurement, total variation along the axis (`dds`), or `perpendicular`.

    together: values of a network call, one slice at least; longer batches go in several, and
    gradients recompute the activations of each, so that memory stays that of one.
    ValueError for a prior that is not one of slices, or another axis.
    """
    of_signals(prior)
    axis, shape = _axis(axis), _shape(prior)

    def denoise(x: Tensor, sigma: float | Tensor) -> Tensor:
        slices = x.movedim(axis + 1, 1)
        count, level = slices.shape[1], torch.as_tensor(sigma)
        level = level.repeat_interleave(count) if level.ndim else sigma
        denoised = _in_parts(prior, slices.flatten(0, 1), level, together)
        return denoised.unflatten(0, (len(x), count)).movedim(1, axis + 1)

    return replace(
        prior,
        denoise=denoise,
        shape=(*shape[:axis], None, *shape[axis:]),
        mean=_mean(prior, axis),
        limit=max(together, prior.limit or 0),
        card={**prior.card, "slices": "zyx"[axis - 1]},
        offers=frozenset(),
    )


def slicewise(prior: Prior) -> Prior:
    """A prior of slices, of volumes along z; one that is of volumes already is left as it is."""
    return sliced(prior, axis=1) if prior.shape is None or len(prior.shape) == 3 else prior


def perpendicular(
    priors: Prior | Sequence[Prior],
    axes: Sequence[int | str] = ("z", "y"),
    *,
    weights: Sequence[float] | None = None,
    drawn: bool = True,
    together: int = TOGETHER,
) -> Prior:
    """The product of priors of slices across several axes, p_1(x)^w_1 p_2(x)^w_2 ..., as in TPDM.

    Its score is the weighted sum of theirs (Lee et al., ICCV 2023, arXiv:2303.08440, equation 8).
    drawn: one axis at each noise level, with its weight for a probability, at the cost of a single
    prior; the noise level itself draws, so that all chains, and a run that is resumed, draw alike.
    Otherwise all axes at every level, averaged.

    priors: one for every axis, or one for all: that knows no direction (up, scanner axes), and the
    voxels should then be nearly cubes. Where slices are much thicker than their pixels, what
    stands across them looks stretched to it: resample first, give planes across them a smaller
    weight, or use `sliced` with total variation along z.
    weights: of the axes, positive, 1 in all; by default the same.
    ValueError where priors, axes and weights do not fit together.
    """
    priors = [priors] * len(axes) if isinstance(priors, Prior) else list(priors)
    shares = [1 / len(axes)] * len(axes) if weights is None else [float(w) for w in weights]
    if not len(priors) == len(axes) == len(shares) or len({_axis(a) for a in axes}) < len(axes):
        raise ValueError(f"each of {list(axes)} needs one prior and one weight, and to be another")
    if not min(shares) > 0 or abs(sum(shares) - 1) > 1e-6:
        raise ValueError(f"weights must be positive and 1 in all, got {shares}")
    parts = [sliced(prior, axis, together=together) for prior, axis in zip(priors, axes)]
    networks = {id(p.network): p.network for p in parts if p.network is not None}
    return Prior(
        (_drawn if drawn else _averaged)([within(part) for part in parts], shares),
        _common([part.shape for part in parts]),
        sigma_min=min(part.sigma_min for part in parts),
        sigma_max=max(part.sigma_max for part in parts),
        mean=_average([part.mean for part in parts], shares),
        variance=lambda sigma: sum(w * p.variance(sigma) for w, p in zip(shares, parts)),
        card={
            "name": "perpendicular",
            "axes": ["zyx"[_axis(axis) - 1] for axis in axes],
            "weights": shares,
            "parts": [dict(part.card) for part in parts],
        },
        network=nn.ModuleList(networks.values()) if networks else None,
        footprint=max(part.footprint for part in parts),
        limit=max(part.limit for part in parts),
    )


def _drawn(denoisers: Sequence[Denoiser], shares: Sequence[float]) -> Denoiser:
    ends = np.cumsum(shares)

    def denoise(x: Tensor, sigma: float | Tensor) -> Tensor:
        level = torch.as_tensor(sigma)
        if level.ndim and len(set(level.tolist())) > 1:  # chains at levels of their own
            return torch.cat([denoise(x[i : i + 1], level[i : i + 1]) for i in range(len(x))])
        which = int(np.searchsorted(ends, _chance(level.flatten()[0].item())))
        return denoisers[min(which, len(denoisers) - 1)](x, sigma)

    return denoise


def _averaged(denoisers: Sequence[Denoiser], shares: Sequence[float]) -> Denoiser:
    return lambda x, sigma: sum(w * d(x, sigma) for w, d in zip(shares, denoisers))


def _chance(sigma: float) -> float:
    """A number in [0, 1) from a noise level, the same in every precision."""
    digits = np.array(float(f"{sigma:.5g}"))
    return np.random.default_rng(int(digits.view(np.uint64))).random()


def _in_parts(prior: Prior, slices: Tensor, level: float | Tensor, together: int) -> Tensor:
    """D of a batch of slices, as many at a time as `together` values hold."""
    each = min(slices[0].numel(), prior.limit or slices[0].numel())
    size = max(1, together // each)
    if len(slices) <= size:
        return prior.denoise(slices, level)
    several = isinstance(level, Tensor) and level.ndim
    denoised = []
    for start in range(0, len(slices), size):
        part = slices[start : start + size]
        sigma = level[start : start + size] if several else level
        if torch.is_grad_enabled() and part.requires_grad:
            denoised.append(checkpoint(prior.denoise, part, sigma, use_reentrant=False))
        else:
            denoised.append(prior.denoise(part, sigma))
    return torch.cat(denoised)


def _axis(axis: int | str) -> int:
    """1, 2 or 3 of (channels, z, y, x)."""
    found = NAMES.get(axis, axis)
    found = found + 4 if isinstance(found, int) and found < 0 else found
    if found not in NAMES.values():
        raise ValueError(f"slices lie across axis z, y or x (1, 2 or 3), got {axis!r}")
    return found


def _shape(prior: Prior) -> tuple[int | None, ...]:
    if prior.shape is None:
        return (None, None, None)
    if len(prior.shape) != 3:
        raise ValueError(f"slices are (channels, height, width), the prior's are {prior.shape}")
    return tuple(prior.shape)


def _mean(prior: Prior, axis: int) -> float | Tensor:
    if not isinstance(prior.mean, Tensor) or prior.mean.ndim == 0:
        return prior.mean
    return prior.mean.reshape((1,) * (3 - prior.mean.ndim) + prior.mean.shape).unsqueeze(axis)


def _average(means: Sequence[float | Tensor], shares: Sequence[float]) -> float | Tensor:
    if all(not isinstance(mean, Tensor) and mean == means[0] for mean in means):
        return means[0]
    return sum(w * torch.as_tensor(mean, dtype=torch.float64) for w, mean in zip(shares, means))


def _common(shapes: Sequence[tuple[int | None, ...]]) -> tuple[int | None, ...]:
    """The sizes that all agree on; those of a network of one size bind all."""
    known = [{n for n in sizes if n is not None} for sizes in zip(*shapes)]
    if any(len(sizes) > 1 for sizes in known):
        raise ValueError(f"the slices' sizes make no volume together: {list(shapes)}")
    return tuple(sizes.pop() if sizes else None for sizes in known)
