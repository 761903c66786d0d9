"""Noise schedules: falling noise levels, then zero. A schedule is a float64 tensor of steps + 1."""

import math

import torch
from torch import Tensor


def karras(sigma_max: float, sigma_min: float, steps: int, *, rho: float = 7.0) -> Tensor:
    """Even in sigma^(1/rho); Karras et al. 2022, equation 5."""
    ramp = _ramp(sigma_max, sigma_min, steps)
    high, low = sigma_max ** (1 / rho), sigma_min ** (1 / rho)
    return _with_zero((high + ramp * (low - high)) ** rho)


def geometric(sigma_max: float, sigma_min: float, steps: int) -> Tensor:
    """Even in log sigma; Song & Ermon 2019."""
    ramp = _ramp(sigma_max, sigma_min, steps)
    return _with_zero(sigma_max * (sigma_min / sigma_max) ** ramp)


def vp(
    sigma_max: float, sigma_min: float, steps: int, *, beta_min: float = 0.1, beta_max: float = 20.0
) -> Tensor:
    """Even in the time of the variance-preserving process with linear beta; Song et al. 2021.

    sigma(t)^2 = exp(beta_min t + (beta_max - beta_min) t^2 / 2) - 1; times outside 0..1 are meant.
    """
    slope = beta_max - beta_min

    def time(sigma: float) -> float:
        total = math.log1p(sigma**2)
        return (math.sqrt(beta_min**2 + 2 * slope * total) - beta_min) / slope

    first, last = time(sigma_max), time(sigma_min)
    t = first + _ramp(sigma_max, sigma_min, steps) * (last - first)
    return _with_zero(torch.expm1(beta_min * t + slope * t**2 / 2).sqrt())


def starting_at(sigmas: Tensor, sigma_start: float) -> Tensor:
    """The part of a schedule below sigma_start, with sigma_start before it: a warm start."""
    if not sigma_start > 0:
        raise ValueError(f"sigma_start must be positive, got {sigma_start}")
    first = torch.tensor([sigma_start], dtype=sigmas.dtype)
    return torch.cat([first, sigmas[sigmas < sigma_start * (1 - 1e-9)]])


def checked(sigmas: Tensor) -> Tensor:
    """The schedule in float64 on the CPU; ValueError unless it falls strictly and ends in zero."""
    sigmas = torch.as_tensor(sigmas, dtype=torch.float64).cpu()
    if sigmas.ndim != 1 or len(sigmas) < 2:
        raise ValueError(f"a schedule is a list of at least 2 noise levels, got {sigmas.tolist()}")
    if not torch.isfinite(sigmas).all() or (sigmas.diff() >= 0).any() or sigmas[-1] != 0:
        raise ValueError("a schedule must fall strictly and end in zero")
    return sigmas


def _ramp(sigma_max: float, sigma_min: float, steps: int) -> Tensor:
    if steps < 1:
        raise ValueError(f"a schedule needs at least 1 step, got {steps}")
    if not 0 < sigma_min <= sigma_max or (steps > 1 and sigma_min == sigma_max):
        raise ValueError(f"need 0 < sigma_min < sigma_max, got {sigma_min} and {sigma_max}")
    return torch.linspace(0, 1, steps, dtype=torch.float64)


def _with_zero(sigmas: Tensor) -> Tensor:
    return torch.cat([sigmas, sigmas.new_zeros(1)])
