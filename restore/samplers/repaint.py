"""RePaint: Lugmayr et al., CVPR 2022, arXiv:2201.09865; noisy measurements too."""

import torch

from ..measurement import Measurement
from ..noise import Gaussian
from ..operator import LinearOperator
from ..signal import norm
from .base import Step
from .kernels import ancestral_step, jump


def repaint(
    denoise,
    measurement,
    x,
    sigmas,
    randn_like,
    *,
    jump_length: int = 10,
    repeats: int = 10,
):
    """Algorithm 1 with the jumps of section 4.2; for operators that copy a part of the signal.

    At every level the measured part of x is replaced by the measurement, noised to that level;
    below the measurement's own noise by what that noise leaves open, D + sigma^2 / (sigma^2 +
    std^2) (y - D). Every block of levels is run again and again, so that the rest agrees with it:
    exact in the limit of short steps and many repeats; with few steps (under about 100) the means
    are off by a third of a posterior standard deviation, and noisy measured values too narrow.

    jump_length: j, levels in a block. repeats: r, how often each block is run.
    """
    _refuse_all_but_copies(measurement)
    y = measurement.expanded(len(x))
    variance = torch.as_tensor(measurement.noise.on(y)) ** 2
    table = sigmas.tolist()
    for first in range(0, len(table) - 1, jump_length):
        last = min(first + jump_length, len(table) - 1)
        for turn in range(repeats if table[last] > 0 else 1):
            if turn:
                x = jump(x, table[last], table[first], randn_like)
            for sigma, sigma_next in zip(table[first:last], table[first + 1 : last + 1]):
                known = y + (sigma**2 - variance).clamp(min=0).sqrt() * randn_like(y)
                merged = x + measurement.operator.adjoint(known - measurement.operator(x))
                x = torch.where(sigma**2 > variance, merged, x)
                denoised = denoise(x, sigma)
                denoised = measurement.proximal(denoised, sigma**2)
                x = ancestral_step(x, denoised, sigma, sigma_next, randn_like).x
                yield Step(x, denoised, sigma)


def _refuse_all_but_copies(measurement: Measurement) -> None:
    """ValueError unless A^H A is a projection and the noise Gaussian, of one level a signal."""
    operator, noise = measurement.operator, measurement.noise
    like = measurement.y
    if not isinstance(noise, Gaussian) or not _one_level(noise, like):
        raise ValueError(f"repaint needs Gaussian noise of one level, not {noise}")
    if isinstance(operator, LinearOperator):
        generator = torch.Generator().manual_seed(0)
        x = torch.randn(measurement.observations, *operator.in_shape, generator=generator)
        once = operator.normal(x.to(like.device))
        if (norm(operator.normal(once) - once) <= 1e-4 * norm(once)).all():
            return
    raise ValueError(f"repaint needs an operator that copies a part of the signal, not {operator}")


def _one_level(noise: Gaussian, like) -> bool:
    std = noise.on(like)
    return isinstance(std, float) or all(n == 1 for n in std.shape[1:])
