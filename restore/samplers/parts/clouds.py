"""Particles inside a chain: log-weights, effective sample size, resampling.

Rows are (chains * particles, *shape), the particles of one chain next to each other; log-weights
are (chains, particles), float64, known up to a constant of each chain. No chain sees another.
"""

import math

import torch
from torch import Tensor

from ...measurement.measurement import Measurement
from ...measurement.signal import RandnLike, dot
from .kernels import Transition

RESAMPLE = 0.5  # below this share of effective particles; Doucet & Johansen 2009, section 3.5


def cloud(x: Tensor, particles: int) -> tuple[Tensor, Tensor]:
    """Every chain's particles at its own first noise, and their equal log-weights.

    At the first level the noise hides the signal, so what p(x | y) differs from p(x) there, and
    with it what is lost by one start for all particles, is of order (sigma_data / sigma_max)^2.
    """
    if particles < 1:
        raise ValueError(f"need at least 1 particle, got {particles}")
    weights = torch.zeros(len(x), particles, dtype=torch.float64, device=x.device)
    return x.repeat_interleave(particles, 0), weights


def by_chain(values: Tensor, log_weights: Tensor) -> Tensor:
    """(chains * particles,) -> (chains, particles), float64."""
    return values.double().reshape(log_weights.shape)


def effective(log_weights: Tensor) -> Tensor:
    """Effective sample size of each chain, from 1 to particles; -> (chains,)."""
    return 1 / torch.softmax(log_weights, 1).square().sum(1)


def resample(log_weights: Tensor, randn_like: RandnLike) -> tuple[Tensor, Tensor]:
    """Rows to go on with, and their log-weights: chains with few effective particles start anew.

    Systematic resampling (Kitagawa 1996): one uniform a chain, ancestors at even steps of the
    cumulated weights. -> (chains * particles,), (chains, particles).
    """
    particles = log_weights.shape[1]
    if particles == 1:
        return torch.arange(len(log_weights), device=log_weights.device), log_weights
    steps = torch.arange(particles, dtype=torch.float64, device=log_weights.device)
    places = (steps + _uniform(log_weights, randn_like)) / particles
    poor = (effective(log_weights) < RESAMPLE * particles)[:, None]
    index = torch.where(poor, _inverse(log_weights, places), steps.long())
    return _rows_of(index, particles), torch.where(poor, 0.0, log_weights)


def pick(log_weights: Tensor, randn_like: RandnLike) -> Tensor:
    """The row of one particle of each chain, drawn by weight; -> (chains,)."""
    if log_weights.shape[1] == 1:
        return torch.arange(len(log_weights), device=log_weights.device)
    index = _inverse(log_weights, _uniform(log_weights, randn_like))
    return _rows_of(index, log_weights.shape[1])


def log_mean(log_weights: Tensor) -> Tensor:
    """log of each chain's mean weight; -> (chains,)."""
    return torch.logsumexp(log_weights, 1) - math.log(log_weights.shape[1])


def accept(log_ratio: Tensor, randn_like: RandnLike) -> Tensor:
    """True with probability min(1, ratio), for each chain (Metropolis & al.); (chains,)."""
    chance = randn_like(log_ratio.float()).double()
    return torch.special.log_ndtr(chance) < log_ratio


def log_ratio(move: Transition, apart: Tensor) -> Tensor:
    """log p / q at move.x, for q = N(move.mean, std^2) and p = N(move.mean - apart, std^2).

    Zero where std is: the last transition has no density. -> (batch,), float64
    """
    if move.std == 0:
        return torch.zeros(len(apart), dtype=torch.float64, device=apart.device)
    noise, shift = (move.x - move.mean) / move.std, apart / move.std
    return -(dot(noise, shift) + 0.5 * dot(shift, shift)).double()


def refuse_no_density(measurement: Measurement) -> None:
    """ValueError for noise that has no density, of std 0 in some value."""
    if not measurement.noise.has_density:
        raise ValueError("particles are weighted by the noise's density: std must be positive")


def refuse_all_but_linear(measurement: Measurement) -> None:
    """TypeError unless the operator is linear and the noise Gaussian, ValueError for std 0."""
    if not measurement.linear_gaussian:
        raise TypeError(
            "these particles need a linear operator and Gaussian noise, "
            f"not {measurement.operator} and {measurement.noise}; tds takes others"
        )
    refuse_no_density(measurement)


def _uniform(log_weights: Tensor, randn_like: RandnLike) -> Tensor:
    """One number between 0 and 1 for each chain, by the normal's distribution; (chains, 1)."""
    normal = randn_like(log_weights[:, :1].float()).double()
    return 0.5 * torch.erfc(-normal / math.sqrt(2))


def _inverse(log_weights: Tensor, places: Tensor) -> Tensor:
    """The particles at these places, from 0 to 1, of the cumulated weights; (chains, places)."""
    edges = torch.softmax(log_weights, 1).cumsum(1)
    found = torch.searchsorted(edges, (places * edges[:, -1:]).contiguous())
    return found.clamp(max=log_weights.shape[1] - 1)


def _rows_of(index: Tensor, particles: int) -> Tensor:
    """(chains, k) numbers of particles -> (chains * k,) rows."""
    first = torch.arange(len(index), device=index.device)[:, None] * particles
    return (first + index).flatten()
