"""Stochastic denoising: Kawar, Vaksman & Elad, ICCVW 2021, arXiv:2101.09552."""

import torch

from ...measurement.measurement import Measurement
from ...measurement.noise import Gaussian
from ...priors.schedules import karras
from ..base import Resumed, Step, levels, sampler
from ..parts.kernels import ancestral_step


@sampler(resumes=True)
def stochastic_denoising(denoise, measurement, x, sigmas, randn_like, *, resumed: Resumed):
    """A signal with white noise is itself a state of the diffusion, at sigma = std.

    So p(x | y) is what the unconditional reverse process gives from y on: exact in the limit of
    many steps, without guidance or gradient. The noise levels are spread anew between the noise's
    std and the schedule's lowest, as many as there were.
    """
    std = _white_noise(measurement)
    x = x if resumed.passed else measurement.expanded(len(x))
    lowest = min(sigmas[-2].item(), 0.5 * std)
    own = karras(std, lowest, max(2, len(sigmas) - 1))
    for sigma, sigma_next in levels(own, resumed.passed):
        denoised = denoise(x, sigma)
        x = ancestral_step(x, denoised, sigma, sigma_next, randn_like).x
        yield Step(x, denoised, sigma)


def _white_noise(measurement: Measurement) -> float:
    """The noise's std; ValueError unless y = x + std n, one level for all of it."""
    noise, operator = measurement.noise, measurement.operator
    if not isinstance(noise, Gaussian) or not isinstance(noise.std, float) or noise.noise_free:
        raise ValueError(f"stochastic denoising needs white Gaussian noise, not {noise}")
    if operator.in_shape == operator.out_shape:
        generator = torch.Generator().manual_seed(0)
        probe = torch.randn(measurement.y.shape, generator=generator).to(measurement.y)
        if torch.equal(operator(probe), probe):
            return noise.std
    raise ValueError(f"stochastic denoising needs the signal itself with noise, not {operator}")
