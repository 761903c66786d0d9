"""A prior for signals of any size: the denoiser on overlapping tiles, blended."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from ..coloured import Bands, Coloured
from ..prior import Denoiser, Prior, are_priors


def tiled(prior: Prior, tile: int = 384, overlap: int = 48) -> Prior:
    """A prior whose network calls never see more than tile^dims values a channel.

    Signals that fit into one tile go through unchanged. Tiles overlap by `overlap` samples, in
    which their results are blended linearly; gradients recompute a tile's activations, so that
    memory stays that of one tile. ValueError unless 0 < 2 overlap <= tile.
    """
    are_priors(prior)
    if not 0 < 2 * overlap <= tile:
        raise ValueError(f"need 0 < 2 overlap <= tile, got overlap {overlap} and tile {tile}")

    def denoise(x: Tensor, sigma: float | Tensor | Coloured) -> Tensor:
        size = x.shape[2:]
        if all(n <= tile for n in size):
            return prior.denoise(x, sigma)
        if isinstance(sigma, Coloured):  # of few whole signals at a time: bands are many of each
            if len(x) > sigma.together:
                cuts = [slice(i, i + sigma.together) for i in range(0, len(x), sigma.together)]
                return torch.cat([denoise(x[cut], sigma.rows(cut)) for cut in cuts])
            sigma = sigma.in_bands(x, prior.mean)
        starts = [_starts(n, tile, overlap) for n in size]
        total, weight = torch.zeros_like(x), x.new_zeros(size)
        for corner in product(*starts):
            place = tuple(slice(c, c + tile) for c in corner)
            window = _window(size, corner, tile, overlap).to(x)
            part = _tile(prior.denoise, x[(..., *place)], _cut(sigma, x, place))
            total = _add(total, part * window, place)
            weight[place] += window
        return total / weight

    dims = 2 if prior.shape is None else len(prior.shape) - 1
    channels = 1 if prior.shape is None else prior.shape[0]
    return replace(prior, denoise=denoise, limit=(channels or 1) * tile**dims)


def _cut(
    sigma: float | Tensor | Bands, x: Tensor, place: tuple[slice, ...]
) -> float | Tensor | Bands:
    """The noise levels of one tile: a map is cut as the signal is, and so are bands."""
    if isinstance(sigma, Bands):
        return sigma.at(place)
    whole = not isinstance(sigma, Tensor) or sigma.ndim < x.ndim
    return sigma if whole else sigma.expand(x.shape)[(..., *place)]


def _tile(denoise: Denoiser, x: Tensor, sigma: float | Tensor) -> Tensor:
    if torch.is_grad_enabled() and x.requires_grad:
        return checkpoint(denoise, x, sigma, use_reentrant=False)
    return denoise(x, sigma)


def _add(total: Tensor, part: Tensor, place: tuple[slice, ...]) -> Tensor:
    if not part.requires_grad:
        total[(..., *place)] += part
        return total
    pads = []
    for cut, n in zip(reversed(place), reversed(total.shape[2:]), strict=True):
        pads += [cut.start, max(0, n - cut.stop)]
    return total + torch.nn.functional.pad(part, pads)


def _starts(size: int, tile: int, overlap: int) -> list[int]:
    """Corners along one axis, evenly spread, the last tile ending at the edge."""
    if size <= tile:
        return [0]
    count = -(-(size - overlap) // (tile - overlap))
    return [round(i * (size - tile) / (count - 1)) for i in range(count)]


def _window(size: Sequence[int], corner: Sequence[int], tile: int, overlap: int) -> Tensor:
    """Linear ramps over the overlap towards every neighbour; flat at the signal's edges."""
    window = torch.ones(())
    for n, start in zip(size, corner, strict=True):
        length = min(tile, n)
        ramp = torch.ones(length)
        rise = (torch.arange(overlap) + 1) / (overlap + 1)
        if start > 0:
            ramp[:overlap] = rise
        if start + length < n:
            ramp[length - overlap :] = rise.flip(0)
        window = window[..., None] * ramp
    return window
