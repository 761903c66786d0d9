"""Complex signals as pairs of real ones, both of one prior."""

from dataclasses import replace

import torch
from torch import Tensor

from ..prior import Prior, of_signals


def complex_valued(prior: Prior) -> Prior:
    """The prior of (real part, imaginary part), each of the given prior, independent.

    (channels, *rest) becomes (2 channels, *rest), as `restore_operators.ChannelsToComplex` reads
    it at the right end of an operator. Both parts go through one network call, of twice the batch.
    A prior of real images serves signals whose phase is near zero or known; where both parts are
    of one kind it should have mean zero. A network of two channels of its own needs none of this.
    ValueError for a prior that does not know its channels.
    """
    of_signals(prior)
    if not prior.shape or prior.shape[0] is None:
        raise ValueError(f"complex parts are channels, which {prior.shape} does not tell")

    def denoise(x: Tensor, sigma: float | Tensor) -> Tensor:
        batch, level = len(x), torch.as_tensor(sigma)
        parts = torch.cat(x.chunk(2, 1))
        if level.ndim == x.ndim:  # a map: the noise of each part
            level = torch.cat(level.expand(x.shape).chunk(2, 1))
        else:
            level = torch.cat([level, level]) if level.ndim else sigma
        return torch.cat(prior.denoise(parts, level).split(batch), 1)

    return replace(
        prior,
        denoise=denoise,
        shape=(2 * prior.shape[0], *prior.shape[1:]),
        mean=_twice(prior.mean),
        limit=None if prior.limit is None else 2 * prior.limit,
        card={**prior.card, "kind": "complex"},
    )


def _twice(mean: float | Tensor) -> float | Tensor:
    each = isinstance(mean, Tensor) and mean.ndim and len(mean) > 1
    return torch.cat([mean, mean]) if each else mean
