"""Transitions between noise levels, on the state x and the estimate D of x0.

All keep the marginal: x_next = D + b (x - D) + nu n with b^2 sigma^2 + nu^2 = sigma_next^2, and
differ in how much of the noise is fresh. Each gives the new x, its mean and its std, so that
particles can be weighted by the transition's density.
"""

from itertools import pairwise
from typing import NamedTuple

from torch import Tensor

from ...measurement.signal import RandnLike


class Transition(NamedTuple):
    x: Tensor
    mean: Tensor
    std: float


def transition(mean: Tensor, std: float, randn_like: RandnLike) -> Transition:
    """A draw of N(mean, std^2); none is drawn where std is zero."""
    return Transition(mean + std * randn_like(mean) if std > 0 else mean, mean, std)


def ancestral_step(x, denoised, sigma: float, sigma_next: float, randn_like) -> Transition:
    """The exact reverse of the diffusion when D is x0; Ho et al. 2020, arXiv:2006.11239."""
    keep = (sigma_next / sigma) ** 2
    return transition(denoised + keep * (x - denoised), sigma_next * (1 - keep) ** 0.5, randn_like)


def reverse(
    x: Tensor, denoised: Tensor, sigma: float, sigma_next: float, r2: float
) -> tuple[Tensor, float]:
    """Mean and variance of x_t given x_s for p(x0 | x_s) = N(D, r^2 I).

    The ancestral step takes x0 for D: without its a^2 r^2 the samples are too narrow (variance
    0.79 at 50 steps). With it the step is exact for white Gaussian signals.
    """
    a = 1 - (sigma_next / sigma) ** 2
    return x + a * (denoised - x), sigma_next**2 * a + a**2 * r2


def analytic_step(x, denoised, sigma, sigma_next, randn_like, *, r2: float) -> Transition:
    """An ancestral step with the variance of x0, r2; Bao et al., ICLR 2022, arXiv:2201.06503."""
    mean, variance = reverse(x, denoised, sigma, sigma_next, r2)
    return transition(mean, variance**0.5, randn_like)


def ddim_step(x, denoised, sigma, sigma_next, randn_like, *, eta: float = 0.0) -> Transition:
    """eta = 0: the probability-flow ODE, 1: ancestral; Song et al. 2021, arXiv:2010.02502."""
    nu = eta * sigma_next * (1 - (sigma_next / sigma) ** 2) ** 0.5
    keep = (sigma_next**2 - nu**2) ** 0.5 / sigma
    return transition(denoised + keep * (x - denoised), nu, randn_like)


def renoise_step(x, denoised, sigma, sigma_next, randn_like, *, fresh: float = 1.0) -> Transition:
    """A share `fresh` of the noise (its variance) is new; 1 forgets x.

    zeta of DiffPIR; eta^2 of DDRM, DDNM and DDS, whose eta is another one than DDIM's.
    """
    keep = (1 - fresh) ** 0.5 * sigma_next / sigma
    return transition(denoised + keep * (x - denoised), fresh**0.5 * sigma_next, randn_like)


def jump(x: Tensor, sigma: float, sigma_higher: float, randn_like: RandnLike) -> Tensor:
    """Forward along the diffusion, from sigma up to sigma_higher."""
    return x + (sigma_higher**2 - sigma**2) ** 0.5 * randn_like(x)


def travel(sigmas: Tensor, length: int, repeats: int) -> list[tuple[float | None, float, float]]:
    """The steps of time travel: blocks of `length` levels, each run `repeats` times in turn.

    (the level to jump up from before the step, or None; sigma; sigma_next) of every step. The block
    that ends at zero is run once: nothing leads back from there.
    """
    table, way = sigmas.tolist(), []
    for first in range(0, len(table) - 1, length):
        block = table[first : first + length + 1]
        for turn in range(repeats if block[-1] > 0 else 1):
            for step, (sigma, sigma_next) in enumerate(pairwise(block)):
                way.append((block[-1] if turn and not step else None, sigma, sigma_next))
    return way
