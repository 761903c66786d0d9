"""Weights of filtered backprojection: the ramp, the share of each view, Parker's redundancy."""

import math

import torch
from torch import Tensor

GAP = 4.0  # times the median step: a wider gap between views was not measured


def ramp_kernel(bins: int, pitch: float) -> Tensor:
    """Band-limited |f| at offsets -(bins - 1) to bins - 1, times the pitch; float64.

    1 / 4, -1 / (pi n)^2 at odd n and 0 at even, over the pitch: sampled in space, since samples of
    |f| itself would take the mean of the image away (Kak & Slaney, 1988, equation 61).
    """
    n = torch.arange(1 - bins, bins, dtype=torch.float64)
    odd = n.remainder(2) == 1
    kernel = torch.where(odd, -1 / (math.pi * torch.where(odd, n, 1)) ** 2, 0)
    kernel[bins - 1] = 0.25
    return kernel / pitch


def view_shares(angles: Tensor, period: float) -> Tensor:
    """The part of the period that each view stands for: half the way to both neighbours; (views,).

    A gap of more than four median steps was not measured: its neighbours count a median step.
    """
    order, turned, gaps = _around(angles, period)
    step = _step(gaps, period)
    gaps = torch.where(gaps > GAP * step, step, gaps)
    shares = torch.empty_like(turned)
    shares[order] = (gaps + gaps.roll(1)) / 2
    return shares


def redundancy(angles: Tensor, fan_angles: Tensor) -> Tensor:
    """How much of its line each ray of a fan counts for; (views, bins).

    A half, where the views cover a whole turn. Over a shorter arc that still covers all lines of
    the fan, Parker's smooth weights (Med. Phys. 9, 1982) with the arc in excess as the fan (Silver,
    2000): the two rays of a line add up to one. One, where lines are missing.
    """
    _, turned, gaps = _around(angles, 2 * math.pi)
    step = _step(gaps, 2 * math.pi)
    widest = int(gaps.argmax())
    if gaps[widest] <= GAP * step:
        return torch.full((len(angles), len(fan_angles)), 0.5, dtype=torch.float64)
    start = turned[(widest + 1) % len(turned)]
    beta = (angles - start + 1e-9).remainder(2 * math.pi)  # 1e-9: a start rounded down stays first
    excess = (beta.max() + step - math.pi).item() / 2  # Gamma; each view fills a step
    if excess < fan_angles.abs().max():
        return torch.ones(len(angles), len(fan_angles), dtype=torch.float64)
    return parker(beta[:, None] + step / 2, fan_angles, excess)


def parker(beta: Tensor, gamma: Tensor, excess: float) -> Tensor:
    """Weights w over an arc of pi + 2 excess; w(beta, gamma) + w(beta + pi - 2 gamma, -gamma) = 1.

    beta: from the start of the arc. gamma: at most `excess`; the line of a ray stands at
    beta - gamma, as `FanBeam` has it.
    """
    rise = math.pi / 4 * beta / (excess + gamma).clamp(min=1e-9)
    fall = math.pi / 4 * (math.pi + 2 * excess - beta) / (excess - gamma).clamp(min=1e-9)
    return (torch.sin(rise.clamp(0, math.pi / 2)) * torch.sin(fall.clamp(0, math.pi / 2))) ** 2


def _around(angles: Tensor, period: float) -> tuple[Tensor, Tensor, Tensor]:
    """The order around the circle, the angles in it, and the gap after each."""
    turned = angles.remainder(period)
    order = torch.argsort(turned)
    turned = turned[order]
    return order, turned, torch.diff(turned, append=turned[:1] + period)


def _step(gaps: Tensor, period: float) -> Tensor:
    """The median gap; views at the same angle have none."""
    return gaps[gaps > 1e-6 * period].median()
