"""Each parameterisation's map to the denoiser D(x, sigma) = E[x0 | x0 + sigma n = x].

In all of them x is (batch, *shape) and sigma () or (batch,). A variance-preserving network sees
x / sqrt(1 + sigma^2); an affine path x_t = a x0 + s n is the same state with sigma = s / a.
"""

from collections.abc import Callable

import torch
from torch import Tensor

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
    ln(sigma / sigma_data) / 4 for every value.
    """

    def denoise(x: Tensor, sigma: Tensor) -> Tensor:
        s = noise_map(sigma, x)
        total = (s**2 + sigma_data**2).sqrt()
        x = x - mean
        skip, out = sigma_data**2 / total**2, s * sigma_data / total
        return mean + skip * x + out * network(x / total, (s / sigma_data).log() / 4)

    return denoise


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
