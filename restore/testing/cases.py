"""Problems whose posterior is known exactly: what `restore verify` and the benchmarks run."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from ..errors import UnavailableError
from ..measurement.measurement import Measurement, simulate
from ..measurement.noise import Gaussian, NoiseModel, Poisson
from ..measurement.operator import LinearOperator, Operator, shift_column
from ..priors.exact import dataset, gaussian, mixture
from ..priors.prior import Prior
from .closed_forms import (
    DiscretePosterior,
    GaussianPosterior,
    MixturePosterior,
    dataset_posterior,
    gaussian_posterior,
    mixture_posterior,
    signless_posterior,
)

LEFT = 6  # points that noise leaves likely, by their effective number
Truth = GaussianPosterior | MixturePosterior | DiscretePosterior


@dataclass(frozen=True)
class Case:
    """A problem, its posterior, and the directions in which to look at samples of it."""

    measurement: Measurement
    prior: Prior
    before: Truth  # p(x)
    after: Truth  # p(x | y)
    observed: Tensor  # (n, k), unit columns that the measurement says much of
    unobserved: Tensor  # (n, l), unit columns that it says nothing or little of


class Dense(LinearOperator):
    """y = matrix x for flattened signals; (*in_shape) -> (rows,)."""

    def __init__(self, matrix: Tensor, in_shape: tuple[int, ...] | None = None):
        super().__init__(in_shape or matrix.shape[1:], matrix.shape[:1])
        self.matrix = matrix
        _, values, self.axes = torch.linalg.svd(matrix, full_matrices=False)
        self.powers = values.square()

    def _forward(self, x: Tensor) -> Tensor:
        return x.flatten(1) @ self._like("matrix", x).T

    def _adjoint(self, y: Tensor) -> Tensor:
        return (y @ self._like("matrix", y)).reshape(-1, *self.in_shape)

    def _solve_normal(self, b: Tensor, shift: float | Tensor, start: Tensor | None) -> Tensor:
        axes, powers = self._like("axes", b), self._like("powers", b)
        flat, shift = b.flatten(1), shift_column(shift, b.flatten(1))
        share = powers / (powers + shift)
        return ((flat - (flat @ axes.T * share) @ axes) / shift).reshape(b.shape)


class Signless(Operator):
    """y = |matrix x|: what a detector without phase sees."""

    def __init__(self, matrix: Tensor):
        super().__init__(matrix.shape[1:], matrix.shape[:1])
        self.linear = Dense(matrix)

    def _forward(self, x: Tensor) -> Tensor:
        return self.linear(x).abs()


def gaussian_case(std: float, *, n: int = 16, m: int = 8, seed: int = 0) -> Case:
    """White prior, singular values from 1 to 0.2 on half of the directions."""
    randn = partial(_randn, torch.Generator().manual_seed(seed))
    u, _, v = torch.linalg.svd(randn(m, n), full_matrices=False)
    matrix = u @ torch.diag(torch.linspace(1, 0.2, m, dtype=torch.float64)) @ v
    measurement = simulate(Dense(matrix), Gaussian(std), randn(n), seed=seed)
    before = GaussianPosterior(torch.zeros(n, dtype=torch.float64), _eye(n))
    after = gaussian_posterior(before.mean, before.covariance, matrix, measurement.y[0], std)
    whole = torch.linalg.svd(matrix).Vh.T
    return Case(measurement, gaussian(before.mean, 1.0), before, after, whole[:, :m], whole[:, m:])


def mixture_case(n: int, m: int, *, seed: int = 0) -> Case:
    """25 Gaussians on a grid of step 8, the pair of coordinates tiled n / 2 times.

    Weights, operator and noise are drawn as Cardoso et al. 2024 do (MCGdiff, section 5).
    """
    generator = torch.Generator().manual_seed(seed)
    weights, means = _grid(generator, n)
    u, _, v = torch.linalg.svd(_randn(generator, m, n), full_matrices=False)
    values = torch.rand(m, generator=generator, dtype=torch.float64).sort(descending=True).values
    matrix = u @ torch.diag(values) @ v
    std = torch.rand(1, generator=generator).item() * values[0].item()
    x = means[torch.multinomial(weights, 1, generator=generator)[0]] + _randn(generator, n)
    measurement = simulate(Dense(matrix), Gaussian(std), x, seed=seed)
    after = mixture_posterior(weights, means, 1.0, matrix, measurement.y[0], std)
    return _mixture(measurement, weights, means, after, v.T, generator)


def signless_case(n: int = 4, m: int = 2, *, std: float = 0.5, seed: int = 0) -> Case:
    """The mixture of `mixture_case` through |A x|, with rows of unit length and y above 5 std."""
    generator = torch.Generator().manual_seed(seed)
    weights, means = _grid(generator, n)
    y = torch.zeros(m)
    while (y <= 5 * std).any():
        matrix = _randn(generator, m, n)
        matrix = matrix / matrix.norm(dim=1, keepdim=True)
        x = means[torch.multinomial(weights, 1, generator=generator)[0]] + _randn(generator, n)
        y = (matrix @ x).abs() + std * _randn(generator, m)
    after = signless_posterior(weights, means, 1.0, matrix, y, std)
    axes = torch.linalg.svd(matrix, full_matrices=False).Vh.T
    measurement = Measurement(y, Signless(matrix), Gaussian(std))
    return _mixture(measurement, weights, means, after, axes, generator)


def field_case(size: int = 32, *, std: float = 0.1, seed: int = 0) -> Case:
    """A Gaussian random field of Matern-5/2 covariance on [-5, 5]^2, blurred (std 1.5 pixels)."""
    line = torch.linspace(-5, 5, size, dtype=torch.float64)
    places = torch.cartesian_prod(line, line)
    distance = 5**0.5 * torch.cdist(places, places, compute_mode="donot_use_mm_for_euclid_dist")
    covariance = (1 + distance + distance.square() / 3) * torch.exp(-distance)
    covariance = covariance + 1e-8 * _eye(size**2)  # rounding leaves powers below zero otherwise
    blur = torch.exp(-0.5 * (torch.arange(size)[:, None] - torch.arange(size)).square() / 1.5**2)
    blur = (blur / blur.sum(1, keepdim=True)).double()
    matrix = torch.kron(blur, blur)
    before = GaussianPosterior(torch.zeros(size**2, dtype=torch.float64), covariance)
    shape = (1, size, size)
    x = before.draw(1, seed)[0].reshape(shape)
    measurement = simulate(Dense(matrix, shape), Gaussian(std), x, seed=seed)
    after = gaussian_posterior(before.mean, covariance, matrix, measurement.y[0], std)
    prior = gaussian(torch.zeros(shape), covariance)
    axes = torch.linalg.eigh(covariance).eigenvectors.flip(1)
    said = after.variance(axes) / before.variance(axes)
    # a field is smooth: only its first hundred directions carry more than rounding
    axes, said = axes[:, :100], said[:100]
    return Case(
        measurement, prior, before, after, axes[:, said < 0.5], axes[:, said >= said.quantile(0.75)]
    )


def digits_case(noise: NoiseModel, *, seed: int = 0) -> Case:
    """The prior is 450 points, every fourth of scikit-learn's 8x8 digits; seen in 2x2 averages.

    UnavailableError where scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise UnavailableError("the digits come with scikit-learn, which is missing") from error
    points = torch.as_tensor(load_digits().images[::4] / 16.0)[:, None]
    pairs = torch.kron(torch.eye(4, dtype=torch.float64), torch.full((1, 2), 0.5).double())
    operator = Dense(torch.kron(pairs, pairs), (1, 8, 8))
    return discrete_case(points, operator, noise, seed=seed)


def data_case(points: Tensor, *, seed: int = 0) -> Case:
    """The prior is that of being one of these signals (count, channels, height, width).

    They are seen in 2x2 averages of even sizes, by noise that leaves about LEFT of them likely: the
    posterior is one of the points by their weights. ValueError for fewer than 3, or of one row.
    """
    if len(points) < 3 or min(points.shape[2:]) < 2:
        raise ValueError(f"three signals of 2x2 or more are needed, got {tuple(points.shape)}")
    height, width = (side // 2 * 2 for side in points.shape[2:])
    points = points[:, :, :height, :width].double()
    halves = [torch.kron(_eye(n // 2), torch.full((1, 2), 0.5).double()) for n in (height, width)]
    matrix = torch.kron(_eye(points.shape[1]), torch.kron(*halves))
    operator = Dense(matrix, tuple(points.shape[1:]))
    low, high = 1e-4, 10.0  # of the signals' deviation
    for _ in range(20):  # a bisection to a millionth
        std = (low * high) ** 0.5
        case = discrete_case(points, operator, Gaussian(std * points.std().item()), seed=seed)
        if 1 / case.after.weights.square().sum() < min(LEFT, len(points) / 2):
            low = std
        else:
            high = std
    return case


def discrete_case(points: Tensor, operator: Operator, noise: NoiseModel, *, seed: int = 0) -> Case:
    """A prior on nothing but the points (count, *shape); any operator, any noise."""
    points = points.double()
    which = torch.Generator().manual_seed(seed)
    x = points[torch.randint(len(points), (1,), generator=which)[0]]
    measurement = simulate(operator, noise, x, seed=seed)
    before = dataset_posterior(points, torch.zeros(len(points)))
    after = dataset_posterior(points, measurement.log_likelihood(points))
    # coordinates, where they vary at all: all of them are seen in part
    axes = _eye(points[0].numel())
    variance = after.variance(axes)
    axes = axes[:, variance > 1e-3 * variance.max()]
    return Case(measurement, dataset(points), before, after, axes, axes[:, :0])


CASES: dict[str, Callable[..., Case]] = {
    "gaussian": partial(gaussian_case, 0.05),
    "gaussian-noisy": partial(gaussian_case, 0.5),
    **{
        f"mixture-{n}-{m}": partial(mixture_case, n, m)
        for n, m in itertools.product((8, 80, 800), (1, 2, 4))
    },
    "field": field_case,
    "signless": signless_case,
    "digits": partial(digits_case, Gaussian(0.2)),
    "digits-poisson": partial(digits_case, Poisson(10.0)),
}
QUICK = ("gaussian", "gaussian-noisy", "mixture-8-2", "signless", "digits")


def _grid(generator: torch.Generator, n: int) -> tuple[Tensor, Tensor]:
    """Weights and means of the 25 components."""
    steps = 8.0 * torch.arange(-2, 3, dtype=torch.float64)
    means = torch.cartesian_prod(steps, steps).repeat(1, n // 2)
    weights = _randn(generator, 25).square()
    return weights / weights.sum(), means


def _mixture(measurement, weights, means, after, seen: Tensor, generator) -> Case:
    n, m = seen.shape
    before = MixturePosterior(weights, means, _eye(n))
    others = _randn(generator, n, min(n - m, 32))
    others = torch.linalg.qr(others - seen @ (seen.T @ others)).Q
    return Case(measurement, mixture(weights, means, 1.0), before, after, seen, others)


def _eye(n: int) -> Tensor:
    return torch.eye(n, dtype=torch.float64)


def _randn(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(shape, generator=generator, dtype=torch.float64)
