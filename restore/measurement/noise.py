"""Noise models p(y | clean): how a clean measurement becomes the one on file.

Here the base, Gaussian noise and photon counts; the others stand in `not_gaussian`.
"""

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor

from .checks import real_number, real_numbers
from .signal import RandnLike, dot, per_chain


class NoiseModel(ABC):
    """The law of a measurement around its clean value; rows of y and clean match."""

    has_density = True  # every value has noise: p(y | clean) is a density
    noise_free = False  # no value has any

    @abstractmethod
    def draw(self, clean: Tensor, randn_like: RandnLike) -> Tensor:
        """A noisy measurement; (batch, *out_shape) -> (batch, *out_shape)."""

    @abstractmethod
    def log_prob(self, y: Tensor, clean: Tensor) -> Tensor:
        """log p(y | clean); -> (batch,)."""

    def score(self, y: Tensor, clean: Tensor) -> Tensor:
        """The gradient of log p(y | clean) in clean; (batch, *out_shape)."""
        with torch.enable_grad():
            clean = clean.detach().requires_grad_()
            return torch.autograd.grad(self.log_prob(y, clean).sum(), clean)[0]

    def information(self, y: Tensor, clean: Tensor) -> Tensor:
        """About the Fisher information of each value, score^2 on average at the truth.

        It says how large a score is large: the square root of its inverse is the noise's std in
        units of clean. A law that does not say takes every score for what it should be.
        """
        return self.score(y, clean).abs() ** 2

    def proximal(self, y: Tensor, clean: Tensor, variance: float | Tensor) -> Tensor | None:
        """argmax_z log p(y | z) - |z - clean|^2 / (2 variance); (batch, *out_shape).

        variance: a number or (batch,). Override where it is closed; None where it is not.
        """
        return None

    def select(self, start: int, stop: int) -> "NoiseModel":
        """The noise of observations start to stop; one law for all of them is itself."""
        return self


class Gaussian(NoiseModel):
    """y = clean + std n.

    std: a number, or a tensor that broadcasts against (observations, *out_shape), such as one per
    coil. Complex measurements have this std in each of their two parts. A value of std 0 is
    measured without noise: it can be simulated and projected on, but has no density.
    """

    def __init__(self, std: float | Tensor):
        tensor = real_numbers(std, "a noise std")
        if not torch.isfinite(tensor).all() or (tensor < 0).any():
            raise ValueError(f"a noise std must be finite and not negative, got {std}")
        self.std: float | Tensor = tensor if tensor.ndim else tensor.item()
        self.has_density = bool(tensor.all())
        self.noise_free = not tensor.any()

    def on(self, like: Tensor) -> float | Tensor:
        """std on the device and in the precision of `like`, one row for each of its rows."""
        return levels_on(self.std, like)

    def whiten(self, residual: Tensor) -> Tensor:
        """residual / std, with noise of std 1; 0 for values measured without noise."""
        std = self.on(residual)
        if self.has_density:
            return residual / std
        if not isinstance(std, Tensor):
            return torch.zeros_like(residual)
        return torch.where(std > 0, residual / std, 0)

    def at_least(self, least: float | Tensor) -> "Gaussian":
        """Noise of std `least` wherever it is less; least: a number, or (observations, ...)."""
        least = torch.as_tensor(least, dtype=torch.float64)
        std = torch.as_tensor(self.std, dtype=torch.float64, device=least.device)
        return Gaussian(torch.maximum(std, least))

    def draw(self, clean: Tensor, randn_like: RandnLike) -> Tensor:
        return clean + self.on(clean) * randn_like(clean)

    def log_prob(self, y: Tensor, clean: Tensor) -> Tensor:
        if not self.has_density:
            raise ValueError(f"{self}: values measured without noise have no density")
        std, parts, numbers = self.on(y), 2 if y.is_complex() else 1, y[0].numel()
        white = self.whiten(y - clean)
        if isinstance(std, Tensor):
            log_std = std.double().log().expand(y.shape).flatten(1).sum(1).to(white.real.dtype)
        else:
            log_std = numbers * math.log(std)
        constant = parts * (log_std + 0.5 * math.log(2 * math.pi) * numbers)
        return -0.5 * dot(white, white) - constant

    def score(self, y: Tensor, clean: Tensor) -> Tensor:
        return (y - clean) / self.on(y) ** 2

    def information(self, y: Tensor, clean: Tensor) -> Tensor:
        return torch.ones_like(clean.real) / self.on(clean) ** 2

    def select(self, start: int, stop: int) -> "Gaussian":
        chosen = levels_of(self.std, start, stop)
        return self if chosen is self.std else Gaussian(chosen)

    def __repr__(self) -> str:
        return f"Gaussian(std={self.std:g})" if isinstance(self.std, float) else "Gaussian(std=...)"


class Poisson(NoiseModel):
    """y ~ Poisson(peak clean) / peak: photon counts, in units in which clean is of order one.

    Rates that no measurement has get a finite score: below a thousandth of what was counted
    log p goes on as a straight line, and a negative rate emits as little as none.
    """

    def __init__(self, peak: float):
        self.peak = real_number(peak, "the peak count")
        if not (self.peak > 0 and math.isfinite(self.peak)):
            raise ValueError(f"the peak count must be positive, got {peak}")

    def draw(self, clean: Tensor, randn_like: RandnLike) -> Tensor:
        return poisson(self.peak * clean, randn_like) / self.peak

    def log_prob(self, y: Tensor, clean: Tensor) -> Tensor:
        rate, counts = self.peak * clean.double(), self.peak * y.double()
        least = 1e-3 * counts.clamp(min=1)
        log_rate = torch.maximum(rate, least).log() + (rate / least - 1).clamp(max=0)
        each = counts * log_rate - rate.clamp(min=0) - torch.lgamma(counts + 1)
        return each.flatten(1).sum(1).to(clean.dtype)

    def information(self, y: Tensor, clean: Tensor) -> Tensor:
        least = 1e-3 * y.clamp(min=1 / self.peak)
        return self.peak / torch.maximum(clean, least)

    def __repr__(self) -> str:
        return f"Poisson(peak={self.peak:g})"


def poisson(rate: Tensor, randn_like: RandnLike) -> Tensor:
    """Counts of these rates, negative ones being none; each row by a generator of its own."""
    rates = rate.clamp(min=0).double().cpu()
    seeds = seeds_from(randn_like, rate)
    counts = [
        torch.poisson(row, generator=torch.Generator().manual_seed(seed))
        for row, seed in zip(rates, seeds, strict=True)
    ]
    return torch.stack(counts).to(rate)


def seeds_from(randn_like: RandnLike, like: Tensor) -> list[int]:
    """A seed for each row, for laws other than the normal, made of the noise handed in."""
    bits = randn_like(torch.empty(len(like), 2, dtype=torch.float32)).view(torch.int32)
    return [(high << 32 ^ low) & (2**63 - 1) for high, low in bits.tolist()]


def levels_on(value: float | Tensor, like: Tensor) -> float | Tensor:
    """A noise's number, or (observations, ...), with the rows, device and precision of `like`."""
    if not isinstance(value, Tensor):
        return value
    return per_chain(value, len(like)).to(like.device, like.real.dtype)


def levels_of(value: float | Tensor, start: int, stop: int) -> float | Tensor:
    """The levels of observations start to stop; one level for all is itself."""
    several = isinstance(value, Tensor) and len(value) > 1
    return value[start:stop] if several else value
