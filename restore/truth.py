"""Posteriors in closed form, exact draws from them, and how far samples are from them.

All in float64; signals are flat, (n,), and operators matrices, (m, n).
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class GaussianPosterior:
    """N(mean, covariance)."""

    mean: Tensor  # (n,)
    covariance: Tensor  # (n, n)

    def draw(self, count: int, seed: int = 0) -> Tensor:
        """Exact samples; (count, n)."""
        powers, axes = torch.linalg.eigh(self.covariance)
        noise = _randn(count, len(self.mean), seed)
        return self.mean + (noise * powers.clamp(min=0).sqrt()) @ axes.T


@dataclass(frozen=True)
class MixturePosterior:
    """sum_k weights_k N(means_k, covariance), one covariance for all components."""

    weights: Tensor  # (components,)
    means: Tensor  # (components, n)
    covariance: Tensor  # (n, n)

    @property
    def mean(self) -> Tensor:
        return self.weights @ self.means

    def draw(self, count: int, seed: int = 0) -> Tensor:
        """Exact samples; (count, n)."""
        generator = torch.Generator().manual_seed(seed)
        which = torch.multinomial(self.weights, count, True, generator=generator)
        centred = GaussianPosterior(torch.zeros_like(self.means[0]), self.covariance)
        return self.means[which] + centred.draw(count, seed + 1)


def gaussian_posterior(
    mean: Tensor, covariance: Tensor, matrix: Tensor, y: Tensor, std: float
) -> GaussianPosterior:
    """p(x | y) of x ~ N(mean, covariance), y = matrix x + std n (Kalman's update)."""
    mean, covariance, matrix, y = (value.double() for value in (mean, covariance, matrix, y))
    evidence = matrix @ covariance @ matrix.T + std**2 * _eye(len(matrix))
    gain = torch.linalg.solve(evidence, matrix @ covariance).T
    after = covariance - gain @ matrix @ covariance
    return GaussianPosterior(mean + gain @ (y - matrix @ mean), 0.5 * (after + after.T))


def mixture_posterior(
    weights: Tensor, means: Tensor, variance: float, matrix: Tensor, y: Tensor, std: float
) -> MixturePosterior:
    """p(x | y) of x ~ sum_k weights_k N(means_k, variance I), y = matrix x + std n."""
    weights, means, matrix, y = (value.double() for value in (weights, means, matrix, y))
    prior = variance * _eye(means.shape[1])
    covariance = gaussian_posterior(means[0], prior, matrix, y, std).covariance
    residual = y - means @ matrix.T
    evidence = variance * matrix @ matrix.T + std**2 * _eye(len(matrix))
    solved = torch.linalg.solve(evidence, residual.T).T
    log_weights = weights.log() - 0.5 * (residual * solved).sum(1)
    return MixturePosterior(
        torch.softmax(log_weights, 0), means + variance * solved @ matrix, covariance
    )


def sliced_wasserstein(a: Tensor, b: Tensor, *, slices: int = 1000, seed: int = 0) -> float:
    """Mean 1-Wasserstein distance of two sample sets over random directions; (count, n) each.

    Bonneel et al. 2015. Sets of different sizes are compared at the quantiles of the smaller.
    """
    directions = _randn(a.shape[1], slices, seed)
    directions = directions / directions.norm(dim=0)
    a = (a.double() @ directions).sort(0).values
    b = (b.double() @ directions).sort(0).values
    if len(a) != len(b):
        count = min(len(a), len(b))
        levels = (torch.arange(count, dtype=torch.float64) + 0.5) / count
        a, b = (torch.quantile(v, levels, dim=0) for v in (a, b))
    return (a - b).abs().mean().item()


def _eye(n: int) -> Tensor:
    return torch.eye(n, dtype=torch.float64)


def _randn(rows: int, columns: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, columns, generator=generator, dtype=torch.float64)
