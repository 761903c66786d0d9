"""A condition fitted to a measurement: Chung et al., ICML 2024, arXiv:2310.01110 (P2L)."""

from collections.abc import Callable

import torch
from torch import Tensor

from ..measurement.measurement import Measurement
from ..measurement.noise import Gaussian
from ..measurement.signal import ChainNoise
from .prior import Prior
from .schedules import geometric

# D(x, sigma, condition) = E[x0 | x, condition]
ConditionalDenoiser = Callable[[Tensor, float | Tensor, Tensor], Tensor]


@torch.enable_grad()
def tuned(
    prior: Prior,
    denoise: ConditionalDenoiser,
    condition: Tensor,
    measurement: Measurement,
    *,
    levels: int = 20,
    iterations: int = 5,
    step_size: float = 1e-2,
    seed: int = 0,
) -> Tensor:
    """A condition near the given one with which A(D) meets y, for `conditioned` to bind.

    Prompt tuning: from noise at sigma_max downwards, at each of `levels` the condition (the
    embedding of a prompt, say) takes `iterations` steps of Adam on the misfit of D(x, sigma,
    condition); then D is brought to the data (the proximal step) and noised to the next level.
    The paper goes on tuning inside every sample. Here it is done once, before sampling, with the
    condition that the samples are then drawn with: one prior for all chains and levels, so that no
    chain depends on another.

    prior: without the condition; of latents, too. denoise: D(x, sigma, condition), x of batch 1.
    step_size: of Adam, in units of the condition. ValueError for several observations.
    """
    if measurement.observations != 1:
        raise ValueError(f"tune to one observation at a time, got {measurement.observations}")
    if prior.codec is not None:
        measurement = measurement.through(prior.codec.decoder(measurement.operator.in_shape))
    like = {"device": condition.device, "dtype": condition.dtype}
    measurement = measurement.to(condition.device, condition.dtype)
    found = condition.detach().clone().requires_grad_()
    adam = torch.optim.Adam([found], step_size)
    noise, table = ChainNoise(seed, [0]), geometric(prior.sigma_max, prior.sigma_min, levels)
    x = torch.as_tensor(prior.mean, **like).expand(1, *measurement.operator.in_shape)
    x = x + table[0].item() * noise(x)
    for level, level_next in zip(table.tolist(), table[1:].tolist()):
        sigma = torch.tensor(level, **like)
        for _ in range(iterations):
            denoised = denoise(x, sigma, found)
            (found.grad,) = torch.autograd.grad(denoised, found, -_pull(measurement, denoised))
            adam.step()
        with torch.no_grad():
            estimate = measurement.proximal(denoise(x, sigma, found), prior.variance(level))
            x = estimate + level_next * noise(estimate)
    return found.detach()


def _pull(measurement: Measurement, denoised: Tensor) -> Tensor:
    """The score of the measurement at D; without noise, that of least squares."""
    denoised, noise = denoised.detach(), measurement.noise
    with torch.no_grad():
        if isinstance(noise, Gaussian) and not torch.as_tensor(noise.std).all():
            return measurement.operator.vjp(denoised, measurement.residual(denoised))
        return measurement.score(denoised)
