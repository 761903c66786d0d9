"""The discrete variance-preserving schedules: a noise level for each step, and back.

x_t = sqrt(abar_t) x0 + sqrt(1 - abar_t) n is x0 + sigma_t n with sigma_t^2 = 1 / abar_t - 1.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

MOST_BETA = 0.999  # of the cosine schedule's last steps


def linear(steps: int = 1000, first: float = 1e-4, last: float = 0.02) -> Tensor:
    """sigma_t of betas even between two values; Ho et al., NeurIPS 2020. Rising, float64."""
    return from_betas(torch.linspace(first, last, steps, dtype=torch.float64))


def root_linear(steps: int = 1000, first: float = 0.00085, last: float = 0.012) -> Tensor:
    """sigma_t of betas whose roots are even; Rombach et al., CVPR 2022. Rising, float64."""
    return from_betas(torch.linspace(first**0.5, last**0.5, steps, dtype=torch.float64) ** 2)


def cosine(steps: int = 1000, offset: float = 0.008) -> Tensor:
    """sigma_t of Nichol & Dhariwal, ICML 2021, equation 17. Rising, float64."""
    t = torch.linspace(0, 1, steps + 1, dtype=torch.float64)
    signal = ((t + offset) / (1 + offset) * math.pi / 2).cos() ** 2
    return from_betas((1 - signal[1:] / signal[:-1]).clamp(max=MOST_BETA))


def from_betas(betas: Tensor) -> Tensor:
    """sigma_t after each step; (steps,) -> (steps,)."""
    return (1 / (1 - betas).cumprod(0) - 1).sqrt()


SCHEDULES: dict[str, Callable[..., Tensor]] = {
    "linear": linear,
    "root-linear": root_linear,
    "cosine": cosine,
}


def label_of(sigmas: Tensor, *, rounded: bool = False) -> Callable[[Tensor], Tensor]:
    """sigma -> the step t whose noise level it is, linear in log sigma between the steps.

    sigmas: the rising table. Outside the table the label is that of its end. rounded: to the
    nearest whole step, as in training.
    """
    levels = sigmas.log().float()

    def label(sigma: Tensor) -> Tensor:
        table = levels.to(sigma.device)
        level = sigma.float().log().clamp(table[0], table[-1])
        above = torch.searchsorted(table, level.contiguous()).clamp(1, len(table) - 1)
        low, high = table[above - 1], table[above]
        step = above - 1 + (level - low) / (high - low)
        return step.round() if rounded else step

    return label


BETA_MIN, BETA_SLOPE, LAST, FIRST_TIME = 0.1, 19.9, 999, 1e-5  # of the continuous process


def continuous_label(sigma: Tensor) -> Tensor:
    """999 t, sigma(t)^2 = exp(0.1 t + 19.9 t^2 / 2) - 1; Song et al., ICLR 2021."""
    total = torch.log1p(sigma**2)
    return LAST * ((BETA_MIN**2 + 2 * BETA_SLOPE * total).sqrt() - BETA_MIN) / BETA_SLOPE


def continuous_range() -> tuple[float, float]:
    """sigma at the first and the last time that networks of the continuous process were shown."""
    low, high = (
        math.sqrt(math.expm1(BETA_MIN * t + BETA_SLOPE * t * t / 2)) for t in (FIRST_TIME, 1.0)
    )
    return low, high
