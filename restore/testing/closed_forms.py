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

    def variance(self, axes: Tensor) -> Tensor:
        """Along each column of axes, (n, k), of unit length; -> (k,)."""
        return (axes * (self.covariance @ axes)).sum(0)

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

    def variance(self, axes: Tensor) -> Tensor:
        """Along each column of axes, (n, k), of unit length; -> (k,)."""
        centres = (self.means - self.mean) @ axes
        return self.weights @ centres.square() + (axes * (self.covariance @ axes)).sum(0)

    def draw(self, count: int, seed: int = 0) -> Tensor:
        """Exact samples; (count, n)."""
        generator = torch.Generator().manual_seed(seed)
        which = torch.multinomial(self.weights, count, True, generator=generator)
        centred = GaussianPosterior(torch.zeros_like(self.means[0]), self.covariance)
        return self.means[which] + centred.draw(count, seed + 1)


@dataclass(frozen=True)
class DiscretePosterior:
    """One of the points, with these probabilities."""

    weights: Tensor  # (count,)
    points: Tensor  # (count, n)

    @property
    def mean(self) -> Tensor:
        return self.weights @ self.points

    def variance(self, axes: Tensor) -> Tensor:
        """Along each column of axes, (n, k), of unit length; -> (k,)."""
        return self.weights @ ((self.points - self.mean) @ axes).square()

    def draw(self, count: int, seed: int = 0) -> Tensor:
        """Exact samples; (count, n)."""
        generator = torch.Generator().manual_seed(seed)
        return self.points[torch.multinomial(self.weights, count, True, generator=generator)]


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
    means, log_weights, covariance = _updated(weights, means, variance, matrix, y, std)
    return MixturePosterior(torch.softmax(log_weights, 0), means, covariance)


def signless_posterior(
    weights: Tensor, means: Tensor, variance: float, matrix: Tensor, y: Tensor, std: float
) -> MixturePosterior:
    """p(x | y) of x ~ sum_k weights_k N(means_k, variance I), y = |matrix x| + std n.

    A mixture over all patterns of signs.
    Exact up to the chance that noise carries a value through zero, below 1e-6 where y > 5 std.
    """
    signs = torch.cartesian_prod(*[torch.tensor([1.0, -1.0], dtype=torch.float64)] * len(y))
    parts = [
        _updated(weights.double(), means.double(), variance, matrix.double(), s * y.double(), std)
        for s in signs.reshape(-1, len(y))
    ]
    log_weights = torch.cat([part[1] for part in parts])
    posterior_means = torch.cat([part[0] for part in parts])
    return MixturePosterior(torch.softmax(log_weights, 0), posterior_means, parts[0][2])


def dataset_posterior(points: Tensor, log_likelihood: Tensor) -> DiscretePosterior:
    """p(x | y) where x is one of the points (count, *shape), each as likely, for any likelihood.

    log_likelihood: log p(y | point), (count,).
    """
    weights = torch.softmax(log_likelihood.double(), 0)
    return DiscretePosterior(weights, points.flatten(1).double())


def coverage(samples: Tensor, exact: Tensor, level: float, axes: Tensor) -> float:
    """The share of exact draws inside the samples' central interval, over the columns of axes.

    samples, exact: (count, n). `level` itself for samples of the right law.
    """
    ends = torch.tensor([(1 - level) / 2, (1 + level) / 2], dtype=torch.float64)
    low, high = torch.quantile(samples.double() @ axes, ends, dim=0)
    along = exact @ axes
    return ((along >= low) & (along <= high)).double().mean().item()


def _updated(weights, means, variance, matrix, y, std):
    """Means, log-weights and covariance of a mixture's components after y = matrix x + std n."""
    prior = variance * _eye(means.shape[1])
    covariance = gaussian_posterior(means[0], prior, matrix, y, std).covariance
    residual = y - means @ matrix.T
    evidence = variance * matrix @ matrix.T + std**2 * _eye(len(matrix))
    solved = torch.linalg.solve(evidence, residual.T).T
    log_weights = weights.log() - 0.5 * (residual * solved).sum(1)
    return means + variance * solved @ matrix, log_weights, covariance


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
