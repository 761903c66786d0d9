"""Measurement: the likelihood p(y | x) of what was measured."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from .checks import shown, signal_tensor, whole_number
from .codec import Decoder, ThroughDecoder
from .noise import Gaussian, NoiseModel
from .operator import LinearOperator, Operator
from .signal import (
    ChainNoise,
    RandnLike,
    column,
    conjugate_gradient,
    dot,
    minimise,
    norm,
    per_chain,
)
from .stacking import one_for_each
from .whitening import Whitened

# A noise-free measurement is solved as if its noise were this share of the signal's variance:
# float32 keeps 7 digits, so less than this is lost in rounding anyway.
FLOOR = 1e-6
EXACT_STEPS = 200  # of conjugate gradients where some numbers are measured without noise


@dataclass(frozen=True)
class Measurement:
    """y = A(x) + noise, seen by chains x of (batch, *in_shape).

    y: (*out_shape) for one observation, or (observations, *out_shape); batch is then a multiple of
    observations, and the chains of one observation stand together.
    """

    y: Tensor  # (observations, *out_shape)
    operator: Operator
    noise: NoiseModel

    def __post_init__(self):
        signal_tensor(self.y, "y")
        _refuse_other_parts(self.operator, self.noise)
        shape, out = tuple(self.y.shape), self.operator.out_shape
        if shape == out:
            object.__setattr__(self, "y", self.y[None])
        elif shape[1:] != out:
            raise ValueError(f"{self.operator}: y must be of its output's shape, got {shape}")
        if not torch.isfinite(torch.view_as_real(self.y) if self.y.is_complex() else self.y).all():
            raise ValueError("the measurement holds values that are not finite (NaN or infinity)")

    @property
    def observations(self) -> int:
        return len(self.y)

    def residual(self, x: Tensor) -> Tensor:
        """y - A(x); (batch, *in_shape) -> (batch, *out_shape)."""
        return per_chain(self.y, len(x)) - self.operator(x)

    def expanded(self, batch: int) -> Tensor:
        """y with one row for each chain; (batch, *out_shape)."""
        return per_chain(self.y, batch).expand(batch, *self.y.shape[1:])

    def log_likelihood(self, x: Tensor) -> Tensor:
        """log p(y | x); -> (batch,)."""
        clean = self.operator(x)
        return self.noise.log_prob(self.expanded(len(x)), clean)

    def score(self, x: Tensor) -> Tensor:
        """The gradient of log p(y | x) in x; (batch, *in_shape)."""
        clean = self.operator(x)
        return self.operator.vjp(x, self.noise.score(self.expanded(len(x)), clean))

    def chi_square(self, x: Tensor) -> Tensor:
        """Mean of |y - A(x)|^2 / std^2 over the measured numbers, 1 for the truth; -> (batch,).

        Numbers that the operator leaves out (zero rows of a mask) and those measured without noise
        do not count; it is infinite where no number has noise. ValueError for noise that is not
        Gaussian.
        """
        if not isinstance(self.noise, Gaussian):
            raise ValueError(f"chi-square is defined for Gaussian noise, not for {self.noise}")
        residual = self.residual(x)
        if self.noise.noise_free:
            return torch.full_like(norm(residual), torch.inf)
        counted = per_chain(self.measured_mask, len(residual))
        if not self.noise.has_density:
            counted = counted & (self.noise.on(residual) > 0)
        return _mean_square(self.noise.whiten(residual), counted)

    def power(self, residual: Tensor) -> Tensor:
        """Mean |residual|^2 over the measured numbers; (batch, *out_shape) -> (batch,)."""
        return _mean_square(residual, per_chain(self.measured_mask, len(residual)))

    @cached_property
    def measured_mask(self) -> Tensor:
        """Which numbers of y carry anything of x: rows of A that are not zero; bool."""
        through = isinstance(self.operator, ThroughDecoder)
        last = self.operator.outer if through else self.operator
        if not isinstance(last, LinearOperator):
            return torch.ones_like(self.y, dtype=torch.bool)
        generator = torch.Generator().manual_seed(0)
        probe = torch.randn(self.y.shape, dtype=self.y.dtype, generator=generator).to(self.y.device)
        return last(last.adjoint(probe)) != 0  # a signal of the right kind

    def proximal(self, x: Tensor, variance: float | Tensor) -> Tensor:
        """argmax_z log p(y | z) - |z - x|^2 / (2 variance); variance a number or (batch,).

        Exact for linear operators and Gaussian noise (to the tolerance of solve_normal), and for
        unitary operators and noise that has a proximal step of its own; otherwise by gradient
        descent from x, to a local optimum.
        """
        if self.linear_gaussian:
            return x + self._gain(self.residual(x), x, variance)
        if isinstance(self.operator, LinearOperator) and self.operator.unitary:
            clean = self.operator(x)
            found = self.noise.proximal(self.expanded(len(x)), clean, variance)
            if found is not None:
                return self.operator.adjoint(found)
        return self._descend(x, variance)

    def draw_proximal(self, x: Tensor, variance: float | Tensor, randn_like: RandnLike) -> Tensor:
        """An exact sample of p(z) ~ p(y | z) N(z; x, variance), linear Gaussian measurements only.

        Perturb and optimise (Papandreou & Yuille, NeurIPS 2010): disturb x and y by noise of their
        own law, then solve. TypeError for other measurements.
        """
        if not self.linear_gaussian:
            raise TypeError("exact inner samples need a linear operator and Gaussian noise")
        x = x + _root(variance, x) * randn_like(x)
        residual = self.residual(x)
        return x + self._gain(
            residual + self.noise.on(residual) * randn_like(residual), x, variance
        )

    def select(self, start: int, stop: int) -> "Measurement":
        """Observations start to stop."""
        operator, noise = self.operator.select(start, stop), self.noise.select(start, stop)
        return _known(self.y[start:stop], operator, noise)

    def with_y(self, y: Tensor, noise: NoiseModel | None = None) -> "Measurement":
        """This measurement with other numbers y, (observations or batch, *out_shape), and its own
        or another noise.

        Nothing is looked at: samplers make them at every level, and a look stalls a GPU.
        """
        return _known(y, self.operator, self.noise if noise is None else noise)

    def through(self, decoder: Decoder) -> "Measurement":
        """The measurement as a function of latents: the operator after the decoder."""
        return Measurement(self.y, ThroughDecoder(self.operator, decoder), self.noise)

    def to(self, device: torch.device | str, dtype: torch.dtype = torch.float32) -> "Measurement":
        """On another device, in the precision of `dtype` (float32 or float64)."""
        wanted = dtype.to_complex() if self.y.is_complex() else dtype
        return Measurement(self.y.to(device, wanted), self.operator, self.noise)

    @property
    def linear_gaussian(self) -> bool:
        """Whether the operator is linear and the noise Gaussian: proximal steps are then exact."""
        return isinstance(self.operator, LinearOperator) and isinstance(self.noise, Gaussian)

    @cached_property
    def with_density(self) -> "Measurement":
        """Itself, with a little noise in numbers that have none: FLOOR of y's mean square."""
        if self.noise.has_density:
            return self
        power = self.power(self.y)
        least = (FLOOR * torch.where(power > 0, power, 1)).sqrt()  # y = 0 tells no scale
        return replace(self, noise=self.noise.at_least(column(least, self.y)))

    def _gain(self, residual: Tensor, x: Tensor, variance: float | Tensor) -> Tensor:
        """v A^H (v A A^H + std^2)^-1 residual, with std^2 at least FLOOR v |A|^2; v: variance."""
        operator, noise, std = self.operator, self.noise, self.noise.on(residual)
        several = isinstance(std, Tensor) and any(n != 1 for n in std.shape[1:])
        if several and noise.has_density:
            return Whitened(operator, noise).tikhonov(noise.whiten(residual), 1 / variance)
        least = FLOOR * (operator.norm() ** 2 or 1.0)  # an operator of zeros tells nothing
        if not several:
            shift = (std.flatten() if isinstance(std, Tensor) else std) ** 2 / variance
            shift = shift.clamp(min=least) if isinstance(shift, Tensor) else max(shift, least)
            return operator.tikhonov(residual, shift)
        # among the measured numbers, where a weight 1 / std^2 without bound does no harm
        shift = (std**2 / _column(variance, residual.real)).clamp(min=least)
        solved = conjugate_gradient(
            lambda u: operator(operator.adjoint(u)) + shift * u,
            residual,
            max_steps=EXACT_STEPS,
            what=operator,
        )
        return operator.adjoint(solved)

    def _descend(self, x: Tensor, variance: float | Tensor) -> Tensor:
        inverse, seen = 1 / _column(variance, x), self.with_density

        def objective(z: Tensor) -> tuple[Tensor, Tensor]:
            step = z - x
            value = 0.5 * dot(step, inverse * step) - seen.log_likelihood(z)
            return value, inverse * step - seen.score(z)

        return minimise(objective, x, step=variance)


def stack(measurements: Sequence[Measurement]) -> Measurement:
    """Many observations at once; x is (observations * chains, ...): one network call for all.

    The signals and the measurements must be of one size; operators and Gaussian noise levels may
    differ. Raises ValueError otherwise.
    """
    for one in measurements:
        if not isinstance(one, Measurement):
            raise TypeError(f"stack takes restore.Measurements, got {shown(one)}")
    if any(m.observations != 1 for m in measurements):
        raise ValueError("stack takes measurements of one observation each")
    if len({tuple(m.y.shape) for m in measurements}) != 1:
        raise ValueError("stacked measurements must be of one size")
    operator = one_for_each([m.operator for m in measurements])
    return Measurement(torch.cat([m.y for m in measurements]), operator, _noise(measurements))


def simulate(operator: Operator, noise: NoiseModel, x: Tensor, *, seed: int = 0) -> Measurement:
    """The measurement of a signal x (*in_shape), or of several (observations, *in_shape)."""
    signal_tensor(x, "x")
    _refuse_other_parts(operator, noise)
    if tuple(x.shape) == operator.in_shape:
        x = x[None]
    clean = operator(x)
    y = noise.draw(clean, ChainNoise(whole_number(seed, "seed"), range(len(clean))))
    return Measurement(y, operator, noise)


def _refuse_other_parts(operator: object, noise: object) -> None:
    """TypeError for what is no operator, and for a number in place of a law of the noise."""
    if not isinstance(operator, Operator):
        raise TypeError(f"the operator must be a restore.Operator, got {shown(operator)}")
    if not isinstance(noise, NoiseModel):
        raise TypeError(
            f"the noise must be a law of it, such as restore.Gaussian(0.05), got {shown(noise)}"
        )


def _noise(measurements: Sequence[Measurement]) -> NoiseModel:
    first = measurements[0].noise
    if all(m.noise is first for m in measurements):
        return first
    if not all(isinstance(m.noise, Gaussian) for m in measurements):
        raise ValueError("stacked measurements with noise of their own must all be Gaussian")
    like = measurements[0].y
    levels = [torch.as_tensor(m.noise.std, dtype=torch.float64) for m in measurements]
    if all(level.ndim == 0 and level == levels[0] for level in levels):
        return first
    if all(level.ndim == 0 for level in levels):
        return Gaussian(column(torch.stack(levels), like))
    return Gaussian(torch.cat([level.expand_as(like) for level in levels]))


def _known(y: Tensor, operator: Operator, noise: NoiseModel) -> Measurement:
    """A measurement of parts that are known to fit: they are not checked."""
    made = object.__new__(Measurement)
    for name, value in (("y", y), ("operator", operator), ("noise", noise)):
        object.__setattr__(made, name, value)
    return made


def _column(value: float | Tensor, like: Tensor) -> float | Tensor:
    if isinstance(value, Tensor) and value.ndim == 1:
        return column(value.to(like.device, like.dtype), like)
    return value


def _mean_square(residual: Tensor, counted: Tensor) -> Tensor:
    """Mean |residual|^2 over the numbers that count; -> (batch,)."""
    residual = torch.where(counted, residual, 0)
    parts = 2 if residual.is_complex() else 1
    return dot(residual, residual) / (parts * counted.flatten(1).sum(1).clamp(min=1))


def _root(variance: float | Tensor, like: Tensor) -> float | Tensor:
    return _column(variance**0.5, like)
