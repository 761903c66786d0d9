"""Noise models p(y | clean): how a clean measurement becomes the one on file."""

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor

from .signal import RandnLike, dot, rows


class NoiseModel(ABC):
    """The law of a measurement around its clean value; rows of y and clean match."""

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

    def select(self, start: int, stop: int) -> "NoiseModel":
        """The noise of observations start to stop; one law for all of them is itself."""
        return self


class Gaussian(NoiseModel):
    """y = clean + std n.

    std: a number, or a tensor that broadcasts against (observations, *out_shape), such as one per
    coil. Complex measurements have this std in each of their two parts. std = 0 is a measurement
    without noise: it can be simulated and projected on, but has no density.
    """

    def __init__(self, std: float | Tensor):
        tensor = torch.as_tensor(std, dtype=torch.float64)
        if not torch.isfinite(tensor).all() or (tensor < 0).any():
            raise ValueError(f"a noise std must be finite and not negative, got {std}")
        self.std: float | Tensor = tensor if tensor.ndim else tensor.item()

    def on(self, like: Tensor) -> float | Tensor:
        """std on the device and in the precision of `like`, one row for each of its rows."""
        if not isinstance(self.std, Tensor):
            return self.std
        return rows(self.std, len(like)).to(like.device, like.real.dtype)

    def draw(self, clean: Tensor, randn_like: RandnLike) -> Tensor:
        return clean + self.on(clean) * randn_like(clean)

    def log_prob(self, y: Tensor, clean: Tensor) -> Tensor:
        std = self.on(y)
        parts = 2 if y.is_complex() else 1
        scaled = (y - clean) / std
        spread = torch.as_tensor(std, dtype=torch.float64).log().expand(y.shape).flatten(1).sum(1)
        constant = parts * (spread + 0.5 * math.log(2 * math.pi) * y[0].numel())
        return -0.5 * dot(scaled, scaled) - constant.to(y.device, scaled.real.dtype)

    def score(self, y: Tensor, clean: Tensor) -> Tensor:
        return (y - clean) / self.on(y) ** 2

    def select(self, start: int, stop: int) -> "Gaussian":
        several = isinstance(self.std, Tensor) and len(self.std) > 1
        return Gaussian(self.std[start:stop]) if several else self

    def __repr__(self) -> str:
        return f"Gaussian(std={self.std:g})" if isinstance(self.std, float) else "Gaussian(std=...)"


class Poisson(NoiseModel):
    """y ~ Poisson(peak clean) / peak: photon counts, in units in which clean is of order one."""

    def __init__(self, peak: float):
        if not peak > 0:
            raise ValueError(f"the peak count must be positive, got {peak}")
        self.peak = float(peak)

    def draw(self, clean: Tensor, randn_like: RandnLike) -> Tensor:
        rate = (self.peak * clean).clamp(min=0).cpu()
        counts = [torch.poisson(row, generator=_generator(randn_like, clean)) for row in rate]
        return (torch.stack(counts) / self.peak).to(clean)

    def log_prob(self, y: Tensor, clean: Tensor) -> Tensor:
        rate = (self.peak * clean).clamp(min=1e-6 * self.peak)
        counts = self.peak * y
        return (counts * rate.log() - rate - torch.lgamma(counts + 1)).flatten(1).sum(1)

    def __repr__(self) -> str:
        return f"Poisson(peak={self.peak:g})"


def _generator(randn_like: RandnLike, like: Tensor) -> torch.Generator:
    """A generator for laws other than the normal, seeded by the noise that was handed in."""
    bits = randn_like(torch.empty(1, 2, dtype=torch.float32)).view(torch.int32).tolist()[0]
    return torch.Generator().manual_seed((bits[0] << 32 ^ bits[1]) & (2**63 - 1))
