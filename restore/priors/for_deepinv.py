"""A prior as the denoiser that deepinv's algorithms take."""

import torch
from torch import Tensor, nn

from .prior import Prior, are_priors


def as_deepinv_denoiser(prior: Prior) -> nn.Module:
    """A module (x, sigma) -> D(x, sigma), in the prior's own units.

    sigma: a number, or a tensor of one or of one for each row, in any shape, as deepinv's
    plug-and-play and diffusion algorithms give it. The module holds the prior's network, so that
    it moves with it. ValueError for a prior of latents, whose D is not one of pictures.
    """
    are_priors(prior)
    if prior.codec is not None:
        raise ValueError("a prior of latents does not denoise pictures")
    return _Denoiser(prior)


class _Denoiser(nn.Module):
    def __init__(self, prior: Prior):
        super().__init__()
        self.prior, self.network = prior, prior.network

    def forward(self, x: Tensor, sigma: float | Tensor, *args, **kwargs) -> Tensor:
        level = torch.as_tensor(sigma, dtype=x.dtype, device=x.device).flatten()
        return self.prior.denoise(x, level.squeeze() if len(level) == 1 else level)
