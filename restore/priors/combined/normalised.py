"""A prior in other units: what a network was trained in, and what a signal is measured in."""

from dataclasses import replace

import torch
from torch import Tensor

from ..prior import Prior, of_signals


def normalised(prior: Prior, mean: float | Tensor, scale: float) -> Prior:
    """The prior of mean + scale z for z ~ prior: D(x) = mean + scale D_z((x - mean) / scale).

    Signal units outside, the prior's own inside, at the noise level sigma / scale. mean: a number,
    or a tensor with a signal's axes, such as (channels, 1, 1). scale: one positive number, so that
    white noise stays white. ValueError otherwise.
    """
    of_signals(prior)
    scale = float(scale)
    axes = None if prior.shape is None else len(prior.shape)
    if isinstance(mean, Tensor) and axes is not None and mean.ndim not in (0, axes):
        raise ValueError(f"the mean of signals with {axes} axes has as many, got {mean.ndim}")
    if not 0 < scale < float("inf"):
        raise ValueError(f"a scale must be positive and finite, got {scale}")

    def denoise(x: Tensor, sigma: float | Tensor) -> Tensor:
        centre = torch.as_tensor(mean, dtype=x.dtype, device=x.device)
        return centre + scale * prior.denoise((x - centre) / scale, sigma / scale)

    return replace(
        prior,
        denoise=denoise,
        sigma_min=scale * prior.sigma_min,
        sigma_max=scale * prior.sigma_max,
        mean=mean + scale * prior.mean,
        variance=lambda sigma: scale**2 * prior.variance(sigma / scale),
        card={**prior.card, "scale": scale},
    )
