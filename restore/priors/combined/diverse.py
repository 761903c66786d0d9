"""Several restorations of one signal that differ in meaning: Cohen et al., ICLR 2024,
arXiv:2310.16047."""

from dataclasses import replace

import torch
from torch import Tensor

from ..prior import Prior, of_signals


def diverse(prior: Prior, count: int, *, strength: float = 0.5, reach: float = 1.0) -> Prior:
    """The prior of `count` signals at once, each pushed away from the one most like it.

    (channels, *rest) becomes (count channels, *rest): the signals of one chain; measure each of
    them, Stacked([A @ Take(shape, i, i + 1) ...]) with y as often. One network call of `count`
    times the batch. In each D_i gains strength w(sigma) (D_i - D_n), where D_n is the nearest of
    the others and w = sigma^2 / (sigma^2 + spread^2) falls to 0 with the noise, as the paper's
    t / T does. The samples are of no stated posterior: they show what is possible, not how
    likely it is. By the probability flow two signals of a Gaussian prior end exp(strength) times
    further apart.

    strength: eta. reach: no push beyond this root mean square distance, in units of spread, the
    prior's standard deviation. ValueError for fewer than two, or unknown channels.
    """
    of_signals(prior)
    if count < 2:
        raise ValueError(f"it takes two to differ, got {count}")
    if not prior.shape or prior.shape[0] is None:
        raise ValueError(f"the signals are stacked as channels, which {prior.shape} does not tell")
    power = prior.variance(prior.sigma_max)

    def denoise(x: Tensor, sigma: float | Tensor) -> Tensor:
        level = torch.as_tensor(sigma, dtype=x.dtype, device=x.device)
        each = level.repeat_interleave(count) if level.ndim else level
        alone = prior.denoise(x.unflatten(1, (count, -1)).flatten(0, 1), each)
        found = alone.unflatten(0, (-1, count))
        weight = strength * level**2 / (level**2 + power)
        away = _from_nearest(found, reach * power**0.5)
        weight = weight.reshape(-1, *(1,) * (away.ndim - 1))
        return (found + weight * away).flatten(1, 2)

    return replace(
        prior,
        denoise=denoise,
        shape=(count * prior.shape[0], *prior.shape[1:]),
        mean=_repeated(prior.mean, count),
        limit=None if prior.limit is None else count * prior.limit,
        card={**prior.card, "kind": "diverse", "count": count},
        offers=frozenset(),
    )


def _from_nearest(found: Tensor, reach: float) -> Tensor:
    """D_i minus its nearest, zero where that is out of reach; (batch, count, *shape)."""
    flat = found.flatten(2)
    distance = (flat[:, :, None] - flat[:, None]).square().mean(3)
    distance = distance + torch.diag(torch.full_like(distance[0, 0], torch.inf))
    nearest = distance.argmin(2)
    chains = torch.arange(len(found), device=found.device)[:, None]
    away = flat - flat[chains, nearest]
    near = distance.amin(2, keepdim=True) < reach**2
    return torch.where(near, away, 0).view_as(found)


def _repeated(mean: float | Tensor, count: int) -> float | Tensor:
    each = isinstance(mean, Tensor) and mean.ndim and len(mean) > 1
    return torch.cat([mean] * count) if each else mean
