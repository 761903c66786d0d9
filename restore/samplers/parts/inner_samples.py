"""Samples of p(z | y) ~ p(y | z) N(z; centre, variance I), the inner step of decoupled methods.

Each chain goes by itself. Step sizes follow from the curvature of the conditional, so that no
method has one to tune.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
from torch import Tensor

from ...measurement.measurement import Measurement
from ...measurement.signal import RandnLike, column, norm
from .covariance import Estimate, pull
from .lanczos import lanczos
from .safe_steps import curvature

BLOCK = 10  # draws of noise at a time
PROBES = 4  # power steps for the curvature of a likelihood that has no bound in closed form


def draw(
    measurement: Measurement,
    centre: Tensor,
    variance: float,
    randn_like: RandnLike,
    *,
    steps: int = 50,
) -> Tensor:
    """Samples of p(z | y), like the centre: exact for linear operators with Gaussian noise,
    otherwise by `steps` of Langevin dynamics."""
    if measurement.linear_gaussian:
        return measurement.draw_proximal(centre, variance, randn_like)
    return langevin(measurement, centre, variance, randn_like, steps=steps)


def draw_shaped(
    measurement: Measurement, estimate: Estimate, randn_like: RandnLike, *, steps: int = 20
) -> Tensor:
    """Samples of p(z | y) ~ p(y | z) N(z; D, C), with D and C of a covariance model.

    A draw w of N(D, C) is moved to the data, C A^H (std^2 + A C A^H)^-1 (y + std n - A w). Exact
    when `steps` pullbacks each suffice for the root of C and for the solve; linear operators with
    Gaussian noise only, TypeError otherwise.
    """
    if not measurement.linear_gaussian:
        raise TypeError("a covariance model needs a linear operator and Gaussian noise")
    white = randn_like(estimate.denoised)
    x = estimate.denoised + root(estimate.times, white, steps=steps)
    y = measurement.expanded(len(x))
    noisy = measurement.with_y(y + measurement.noise.on(y) * randn_like(y))
    moved = replace(estimate, denoised=x)
    return x + estimate.times(pull(noisy, moved, max_steps=steps, rtol=1e-5))


def root(times: Callable[[Tensor], Tensor], v: Tensor, *, steps: int) -> Tensor:
    """C^(1/2) v for a symmetric C >= 0 by Lanczos' method, each chain on its own.

    The error falls as that of the best polynomial of degree `steps`, and is none once there are as
    many steps as distinct eigenvalues.
    """
    basis, inner = lanczos(times, v, steps)
    values, vectors = torch.linalg.eigh(inner)
    weights = (vectors @ (values.clamp(min=0).sqrt() * vectors[:, 0]).unsqueeze(2)).squeeze(2)
    pairs = zip(weights.unbind(1), basis, strict=True)
    return column(norm(v), v) * sum(column(weight, v) * one for weight, one in pairs)


def langevin(
    measurement: Measurement, centre: Tensor, variance: float, randn_like: RandnLike, *, steps: int
) -> Tensor:
    """Overdamped Langevin steps with the noise of two of them averaged.

    z <- z + h g + sqrt(h / 2) (n + n_next) with g the score: on a Gaussian conditional its law is
    the right one at any stable step (Leimkuhler & Matthews 2013, arXiv:1203.5428). Starts at the
    mode of a randomised conditional; one score a step.
    """
    z = _start(measurement, centre, variance, randn_like)
    step = 0.5 / _stiffness(measurement, z, variance, randn_like)
    noise = randn_like(z)
    for fresh in _noises(z, randn_like, steps):
        score = _score(measurement, z, centre, variance, step)
        z = z + step * score + (step / 2).sqrt() * (noise + fresh)
        noise = fresh
    return z


def hmc(
    measurement: Measurement,
    centre: Tensor,
    variance: float,
    randn_like: RandnLike,
    *,
    steps: int,
    start: Tensor | None = None,
) -> Tensor:
    """Hamiltonian steps whose momentum is refreshed in part after each; none is refused.

    Half a kick, half a drift, the refreshment, half a drift, half a kick: on a Gaussian
    conditional the law of the position is the right one at any stable step (BAOAB, Leimkuhler &
    Matthews 2013). One score a step. start: where it sets out, else near the conditional's mode.
    """
    _refuse_noiseless(measurement)
    z = _start(measurement, centre, variance, randn_like) if start is None else start
    stiffness = _stiffness(measurement, z, variance, randn_like)
    step = 0.7 * stiffness**-0.5
    # between the pace of the stiffest and of the softest direction
    keep = torch.exp(-2 * step * (stiffness / variance) ** 0.25)
    momentum = randn_like(z)
    score = _score(measurement, z, centre, variance, step**2)
    for fresh in _noises(z, randn_like, steps):
        momentum = momentum + step / 2 * score
        z = z + step / 2 * momentum
        momentum = keep * momentum + (1 - keep**2).sqrt() * fresh
        z = z + step / 2 * momentum
        score = _score(measurement, z, centre, variance, step**2)
        momentum = momentum + step / 2 * score
    return z


def metropolis(
    measurement: Measurement, centre: Tensor, variance: float, randn_like: RandnLike, *, steps: int
) -> Tensor:
    """Metropolis-Hastings on forward calls alone, with proposals that keep N(centre, variance).

    z' = centre + sqrt(1 - b^2) (z - centre) + b std n, taken with the ratio of the likelihoods
    (preconditioned Crank-Nicolson; Cotter et al. 2013, arXiv:1202.0709). The first half of the
    steps tunes b of each chain to a quarter of acceptances. One forward call a step.
    """
    _refuse_noiseless(measurement)
    std = variance**0.5
    away = std * randn_like(centre)
    level = measurement.log_likelihood(centre + away)
    size = torch.zeros_like(level)  # log b
    draws = zip(_noises(centre, randn_like, steps), _noises(level, randn_like, steps))
    for index, (fresh, chance) in enumerate(draws):
        b = column(size.exp(), centre)
        trial = (1 - b**2).sqrt() * away + b * std * fresh
        tried = measurement.log_likelihood(centre + trial)
        accepted = torch.special.log_ndtr(chance) < tried - level  # log of a uniform number
        away = torch.where(column(accepted, away), trial, away)
        level = torch.where(accepted, tried, level)
        if 2 * index < steps:
            size = (size + torch.where(accepted, 0.75, -0.25)).clamp(max=0)
    return centre + away


def _start(measurement: Measurement, centre, variance: float, randn_like: RandnLike) -> Tensor:
    """The mode for a centre that is itself drawn: right where y says nothing, near elsewhere
    (randomise, then optimise: Bardsley et al. 2014)."""
    _refuse_noiseless(measurement)
    return measurement.proximal(centre + variance**0.5 * randn_like(centre), variance)


def _score(measurement: Measurement, z, centre, variance: float, step: Tensor) -> Tensor:
    """The conditional's score, cut where a step along it would leave the width of N(centre,
    variance I): a chain that meets a wall steeper than where it set out must not be thrown away."""
    score = (centre - z) / variance + measurement.score(z)
    reach = (variance * z[0].numel()) ** 0.5 / step
    return score * (reach / column(norm(score), z).clamp(min=1e-30)).clamp(max=1)


def _refuse_noiseless(measurement: Measurement) -> None:
    if not measurement.noise.has_density:
        raise ValueError("inner samples need noise with a density: its std must be positive")


def _stiffness(measurement: Measurement, z, variance: float, randn_like: RandnLike) -> Tensor:
    """Largest curvature of the conditional's -log, of each chain as a column.

    |A|^2 / std^2 where that is known, otherwise by power steps on differences of the score.
    """
    if measurement.linear_gaussian:
        power, noise = curvature(measurement, len(z))
        return column((power / noise + 1 / variance).to(z.device, z.real.dtype), z)
    here = measurement.score(z)
    reach = 0.1 * variance**0.5
    turn, found = randn_like(z), torch.zeros(len(z), device=z.device, dtype=z.real.dtype)
    for _ in range(PROBES):
        turn = turn / column(norm(turn).clamp(min=1e-30), turn)
        turn = (here - measurement.score(z + reach * turn)) / reach
        found = torch.maximum(found, norm(turn))
    return column(2 * found + 1 / variance, z)


def _noises(like: Tensor, randn_like: RandnLike, count: int) -> Iterator[Tensor]:
    """`count` draws like `like`, asked for in blocks: a generator for each chain is slow to ask."""
    for start in range(0, count, BLOCK):
        size = min(BLOCK, count - start)
        block = randn_like(like[:1].expand(size * len(like), *like.shape[1:]))
        yield from block.unflatten(0, (len(like), size)).unbind(1)
