"""Each parameterisation's map to the denoiser D(x, sigma) = E[x0 | x0 + sigma n = x].

In all of them x is (batch, *shape) and sigma () or (batch,). A variance-preserving network sees
x / sqrt(1 + sigma^2); an affine path x_t = a x0 + s n is the same state with sigma = s / a.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from ..priors.coloured import Bands, Coloured

Network = Callable[..., Tensor]
Label = Callable[[Tensor], Tensor]
Denoiser = Callable[[Tensor, Tensor], Tensor]


def from_eps(network: Network, label: Label) -> Denoiser:
    """D = x - sigma eps(x / sqrt(1 + sigma^2), label(sigma)); DDPM, ADM, Stable Diffusion."""

    def denoise(x: Tensor, sigma: Tensor) -> Tensor:
        sigma, s = _columns(sigma, x)
        return x - s * network(x / (1 + s**2).sqrt(), label(sigma))

    return denoise


def from_v(network: Network, label: Label) -> Denoiser:
    """D = x / (1 + sigma^2) - sigma / sqrt(1 + sigma^2) v; Salimans & Ho, arXiv:2202.00512."""

    def denoise(x: Tensor, sigma: Tensor) -> Tensor:
        sigma, s = _columns(sigma, x)
        root = (1 + s**2).sqrt()
        return x / root**2 - s / root * network(x / root, label(sigma))

    return denoise


def from_x0(network: Network, label: Label) -> Denoiser:
    """D = x0(x / sqrt(1 + sigma^2), label(sigma)): the network predicts the clean signal."""

    def denoise(x: Tensor, sigma: Tensor) -> Tensor:
        sigma, s = _columns(sigma, x)
        return network(x / (1 + s**2).sqrt(), label(sigma))

    return denoise


def from_edm(network: Network, *, sigma_data: float = 0.5, mean: float = 0.0) -> Denoiser:
    """D = c_skip x + c_out F(c_in x, ln(sigma) / 4); Karras et al. 2022, table 1, with x - mean."""

    def denoise(x: Tensor, sigma: Tensor) -> Tensor:
        sigma, s = _columns(sigma, x)
        total = (s**2 + sigma_data**2).sqrt()
        x = x - mean
        skip, out = sigma_data**2 / total**2, s * sigma_data / total
        return mean + skip * x + out * network(x / total, sigma.log() / 4)

    return denoise


def from_edm_map(network: Network, *, sigma_data: float = 0.5, mean: float = 0.0) -> Denoiser:
    """EDM's preconditioning value by value: D(x, sigma) for noise that differs over the signal.

    sigma: a number, (batch,), or a map that broadcasts against x. The network is told
    ln(sigma / sigma_data) / 4 for every value. TypeError for coloured noise.
    """

    def denoise(x: Tensor, sigma: float | Tensor) -> Tensor:
        if isinstance(sigma, Coloured | Bands):
            raise TypeError("this network knows the noise of every value, not coloured noise")
        s = noise_map(sigma, x)
        total = (s**2 + sigma_data**2).sqrt()
        x = x - mean
        skip, out = sigma_data**2 / total**2, s * sigma_data / total
        return mean + skip * x + out * network(x / total, (s / sigma_data).log() / 4)

    return denoise


def from_edm_bands(network: Network, *, sigma_data: float = 0.5, mean: float = 0.0) -> Denoiser:
    """EDM's preconditioning band by band: D(x, noise) for noise of any covariance.

    noise: Coloured or Bands; or, as one band, a number, (batch,), or a map. The network sees all
    bands, (batch, bands * channels, *size), each over its own scale, and their labels.
    """

    def denoise(x: Tensor, noise: float | Tensor | Coloured | Bands) -> Tensor:
        bands = banded(noise, x, mean)
        total = (bands.levels**2 + sigma_data**2).sqrt()
        seen = (bands.parts / total).flatten(1, 2)
        label = ((bands.levels / sigma_data).log() / 4).expand(bands.parts.shape).flatten(1, 2)
        kept = (bands.parts * (sigma_data / total) ** 2).sum(1)
        out = left_unknown(bands, x, sigma_data).sqrt()
        return mean + kept + out * network(seen, label)

    return denoise


def banded(noise: float | Tensor | Coloured | Bands, x: Tensor, mean: float) -> Bands:
    """The noisy signal x in the bands of its noise."""
    if isinstance(noise, Coloured):
        return noise.in_bands(x, mean)
    return noise if isinstance(noise, Bands) else Bands.one(x - mean, noise_map(noise, x))


def left_unknown(noise: Tensor | Bands, x: Tensor, sigma_data: float) -> Tensor:
    """EDM's c_out^2 = sigma^2 sigma_data^2 / (sigma^2 + sigma_data^2), a mean of the bands.

    It is the variance that such noise leaves of a white signal.
    """
    if not isinstance(noise, Bands):
        power = noise_map(noise, x) ** 2
        return power * sigma_data**2 / (power + sigma_data**2)
    total = noise.levels**2 + sigma_data**2
    return sigma_data**2 * (noise.shares * (1 - sigma_data**2 / total)).sum(1)


def noise_map(sigma: float | Tensor, x: Tensor) -> Tensor:
    """The standard deviation of every value of x, from a number, one of each signal, or a map."""
    sigma = torch.as_tensor(sigma, dtype=x.dtype, device=x.device)
    if sigma.ndim <= 1:
        sigma = sigma.expand(len(x)).reshape(-1, *(1,) * (x.ndim - 1))
    return sigma.expand(x.shape)


def from_flow(network: Network) -> Denoiser:
    """D = (x - sigma u) / (1 + sigma), u at x / (1 + sigma), t = sigma / (1 + sigma).

    Rectified flow x_t = (1 - t) x0 + t n with velocity u = n - x0 (Liu et al., arXiv:2209.03003).
    """

    def denoise(x: Tensor, sigma: Tensor) -> Tensor:
        sigma, s = _columns(sigma, x)
        return (x - s * network(x / (1 + s), sigma / (1 + sigma))) / (1 + s)

    return denoise


def from_blind(network: Network, *, residual: bool = True) -> Denoiser:
    """D = x - f(x), or f(x) if residual is False: a denoiser that is not told the noise level."""

    def denoise(x: Tensor, sigma: Tensor) -> Tensor:
        return x - network(x) if residual else network(x)

    return denoise


def _columns(sigma: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """sigma as (batch,), and as (batch, 1, ...)."""
    sigma = torch.as_tensor(sigma, dtype=x.dtype, device=x.device).expand(len(x))
    return sigma, sigma.reshape(-1, *(1,) * (x.ndim - 1))
