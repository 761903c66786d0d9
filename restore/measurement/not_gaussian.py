"""Noise that is not Gaussian: transmission, magnitudes, speckle, quantised and clipped values.

Each has a score everywhere: where a clean value is so far off that its density is below what a
computer's numbers hold, log p goes on as a straight line.
"""

import math

import numpy as np
import torch
from torch import Tensor

from .checks import real_number, real_numbers
from .noise import Gaussian, NoiseModel, levels_of, levels_on, poisson, seeds_from
from .signal import RandnLike

STRAIGHT = 10.0  # exp is followed to here, then its tangent: exp(-exp(10)) is 1e-9566
HALF_LOG = 0.5 * math.log(2 * math.pi)


class Transmission(NoiseModel):
    """y = -log(counts / photons), counts ~ Poisson(photons exp(-clean)): computed tomography.

    clean: line integrals of the attenuation, without units. photons: I0, those that set out; a
    number, or a tensor that broadcasts against (observations, *out_shape). A ray of which no
    photon arrives is recorded as half a photon, y = log(2 photons), and counts as none in log p.
    electronic: std of what the read-out adds to the counts, in photons. log p is then that of
    counts + electronic^2 ~ Poisson(photons exp(-clean) + electronic^2), which has the mean and
    the variance of the sum (Snyder et al., JOSA A 1993; Yavuz & Fessler, MIA 1998).
    """

    def __init__(self, photons: float | Tensor, electronic: float = 0.0):
        self.photons = _positive("the number of photons", photons)
        self.electronic = real_number(electronic, "the electronic noise")
        if not (self.electronic >= 0 and math.isfinite(self.electronic)):
            raise ValueError(f"the electronic noise must be finite, at least 0, got {electronic}")

    def draw(self, clean: Tensor, randn_like: RandnLike) -> Tensor:
        photons = levels_on(self.photons, clean)
        counts = poisson(photons * torch.exp(-clean), randn_like)
        if self.electronic:
            counts = counts + self.electronic * randn_like(counts)
        return -(counts.clamp(min=0.5) / photons).log()

    def log_prob(self, y: Tensor, clean: Tensor) -> Tensor:
        photons, clean = levels_on(self.photons, y.double()), clean.double()
        extra = self.electronic**2
        counts = self.counts(y.double()) + extra
        arriving = photons * _exp(-clean) + extra
        log_rate = torch.logaddexp(_log(photons) - clean, torch.full_like(clean, extra).log())
        return _per_row(counts * log_rate - arriving - torch.lgamma(counts + 1), y)

    def score(self, y: Tensor, clean: Tensor) -> Tensor:
        photons = levels_on(self.photons, y)
        arriving = photons * torch.exp((-clean).clamp(max=STRAIGHT))
        if not self.electronic:
            return arriving - self.counts(y)
        extra = self.electronic**2
        light = torch.sigmoid(_log(photons) - math.log(extra) - clean)  # its share of the counts
        return arriving - (self.counts(y) + extra) * light

    def information(self, y: Tensor, clean: Tensor) -> Tensor:
        arriving = levels_on(self.photons, y) * torch.exp((-clean).clamp(max=STRAIGHT))
        counts = torch.maximum(arriving, self.counts(y)).clamp(min=1)
        return counts / (1 + self.electronic**2 / counts)

    def counts(self, y: Tensor) -> Tensor:
        """The photons that arrived; half of one is none."""
        counts = levels_on(self.photons, y) * torch.exp((-y).clamp(max=STRAIGHT))
        return torch.where(counts < 0.75, 0, counts)

    def gaussian(self, y: Tensor) -> Gaussian:
        """The usual approximation: of variance 1 / counts + (electronic / counts)^2.

        y: (observations, ...). Good from about 20 counts on (Sauer & Bouman, IEEE TSP 1993).
        """
        counts = levels_on(self.photons, y.double()) * torch.exp(-y.double())
        counts = counts.clamp(min=0.5)
        return Gaussian((1 + self.electronic**2 / counts).sqrt() * counts.rsqrt())

    def select(self, start: int, stop: int) -> "Transmission":
        chosen = levels_of(self.photons, start, stop)
        return self if chosen is self.photons else Transmission(chosen, self.electronic)

    def __repr__(self) -> str:
        extra = {"electronic": self.electronic} if self.electronic else {}
        return _named(self, photons=self.photons, **extra)


class Rician(NoiseModel):
    """y = |clean + std n|, n a complex normal with unit variance in both parts: magnitude images.

    clean may be real or complex, y is real; only |clean| matters (Gudbjartsson & Patz 1995).
    """

    def __init__(self, std: float | Tensor):
        self.std = _positive("the noise std", std)

    def draw(self, clean: Tensor, randn_like: RandnLike) -> Tensor:
        clean = clean if clean.is_complex() else torch.complex(clean, torch.zeros_like(clean))
        return (clean + levels_on(self.std, clean) * randn_like(clean)).abs()

    def log_prob(self, y: Tensor, clean: Tensor) -> Tensor:
        y, size = y.double(), clean.abs().double()
        std = levels_on(self.std, y)
        bessel = torch.special.i0e(y * size / std**2).log()
        level = y.clamp(min=torch.finfo(y.dtype).tiny).log() - 2 * _log(std)
        return _per_row(level - 0.5 * ((y - size) / std) ** 2 + bessel, clean.real)

    def score(self, y: Tensor, clean: Tensor) -> Tensor:
        std, size = levels_on(self.std, y), clean.abs()
        scaled = y * size / std**2
        ratio = torch.special.i1e(scaled) / torch.special.i0e(scaled)
        unit = clean / size.clamp(min=torch.finfo(size.dtype).tiny)
        return (y * ratio * unit - clean) / std**2

    def information(self, y: Tensor, clean: Tensor) -> Tensor:
        return torch.ones_like(y) / levels_on(self.std, y) ** 2

    def select(self, start: int, stop: int) -> "Rician":
        chosen = levels_of(self.std, start, stop)
        return self if chosen is self.std else Rician(chosen)

    def __repr__(self) -> str:
        return _named(self, std=self.std)


class Speckle(NoiseModel):
    """y = clean g, g ~ Gamma of mean 1 and variance 1 / looks: intensities of coherent images.

    clean is positive; below a twentieth of y log p goes on as a straight line (Goodman 1976).
    """

    def __init__(self, looks: float = 1.0):
        self.looks = float(_positive("the number of looks", looks))

    def draw(self, clean: Tensor, randn_like: RandnLike) -> Tensor:
        return clean * _gamma(self.looks, clean, randn_like)

    def log_prob(self, y: Tensor, clean: Tensor) -> Tensor:
        looks, y = self.looks, self._positive(y.double())
        inside = torch.maximum(clean.double(), y / 20)
        beyond = (clean - inside) * looks * (y / inside - 1) / inside
        each = (looks - 1) * y.log() - looks * (inside.log() + y / inside) + beyond
        return _per_row(each + looks * math.log(looks) - math.lgamma(looks), clean)

    def score(self, y: Tensor, clean: Tensor) -> Tensor:
        y = self._positive(y)
        inside = torch.maximum(clean, y / 20)
        return self.looks * (y / inside - 1) / inside

    def information(self, y: Tensor, clean: Tensor) -> Tensor:
        return self.looks / torch.maximum(clean, self._positive(y) / 20) ** 2

    def _positive(self, y: Tensor) -> Tensor:
        """An intensity that was rounded to zero is the least there is."""
        return y.clamp(min=torch.finfo(torch.float32).tiny ** 0.25)

    def __repr__(self) -> str:
        return _named(self, looks=self.looks)


class LogSpeckle(NoiseModel):
    """y = clean + scale log g, g as in Speckle: log-compressed intensities (Fisher-Tippett).

    scale: of the logarithm; 10 / log(10) where y is in decibels. The mean of y lies below clean,
    by 0.577 scale for one look.
    """

    def __init__(self, looks: float = 1.0, scale: float = 1.0):
        self.looks = float(_positive("the number of looks", looks))
        self.scale = float(_positive("the scale of the logarithm", scale))

    def draw(self, clean: Tensor, randn_like: RandnLike) -> Tensor:
        gamma = _gamma(self.looks, clean, randn_like)
        return clean + self.scale * gamma.clamp(min=torch.finfo(gamma.dtype).tiny).log()

    def log_prob(self, y: Tensor, clean: Tensor) -> Tensor:
        away = (y.double() - clean.double()) / self.scale
        each = self.looks * (away - _exp(away) + math.log(self.looks))
        return _per_row(each - math.lgamma(self.looks) - math.log(self.scale), clean)

    def score(self, y: Tensor, clean: Tensor) -> Tensor:
        away = ((y - clean) / self.scale).clamp(max=STRAIGHT)
        return self.looks / self.scale * torch.expm1(away)

    def information(self, y: Tensor, clean: Tensor) -> Tensor:
        away = ((y - clean) / self.scale).clamp(0, STRAIGHT)
        return self.looks / self.scale**2 * torch.exp(away)

    def __repr__(self) -> str:
        return _named(self, looks=self.looks, scale=self.scale)


class Quantised(NoiseModel):
    """y = clean + std n rounded to the nearest multiple of step: what a converter writes.

    log p is that of the interval y - step / 2 .. y + step / 2, a probability.
    """

    def __init__(self, std: float | Tensor, step: float):
        self.std = _positive("the noise std", std)
        self.step = float(_positive("the step", step))

    def draw(self, clean: Tensor, randn_like: RandnLike) -> Tensor:
        noisy = clean + levels_on(self.std, clean) * randn_like(clean)
        return self.step * (noisy / self.step).round()

    def log_prob(self, y: Tensor, clean: Tensor) -> Tensor:
        std = levels_on(self.std, y.double())
        away, half = (y.double() - clean.double()) / std, 0.5 * self.step / std
        # the same by symmetry, in the lower tail, where its logarithm keeps its digits
        high, low = half - away.abs(), -half - away.abs()
        upper = torch.special.log_ndtr(high)
        share = torch.special.log_ndtr(low) - upper
        tiny = torch.finfo(share.dtype).tiny
        return _per_row(upper + (-torch.expm1(share)).clamp(min=tiny).log(), clean)

    def information(self, y: Tensor, clean: Tensor) -> Tensor:
        return torch.ones_like(y) / (levels_on(self.std, y) ** 2 + self.step**2 / 12)

    def select(self, start: int, stop: int) -> "Quantised":
        chosen = levels_of(self.std, start, stop)
        return self if chosen is self.std else Quantised(chosen, self.step)

    def __repr__(self) -> str:
        return _named(self, std=self.std, step=self.step)


class Clipped(NoiseModel):
    """y = clean + std n, limited to low .. high: a sensor that saturates, a display that ends.

    A value at a limit says only that the noisy one was there or beyond (Tobin 1958).
    """

    def __init__(self, std: float | Tensor, low: float = 0.0, high: float = 1.0):
        self.std = _positive("the noise std", std)
        self.low, self.high = real_number(low, "low"), real_number(high, "high")
        if not self.low < self.high:
            raise ValueError(f"clipping wants low < high, got {low} and {high}")

    def draw(self, clean: Tensor, randn_like: RandnLike) -> Tensor:
        noisy = clean + levels_on(self.std, clean) * randn_like(clean)
        return noisy.clamp(self.low, self.high)

    def log_prob(self, y: Tensor, clean: Tensor) -> Tensor:
        std = levels_on(self.std, y.double())
        away = (y.double() - clean.double()) / std
        inside = -0.5 * away**2 - _log(std) - HALF_LOG
        low, high = torch.special.log_ndtr(away), torch.special.log_ndtr(-away)
        each = torch.where(y <= self.low, low, torch.where(y >= self.high, high, inside))
        return _per_row(each, clean)

    def information(self, y: Tensor, clean: Tensor) -> Tensor:
        return torch.ones_like(y) / levels_on(self.std, y) ** 2

    def select(self, start: int, stop: int) -> "Clipped":
        chosen = levels_of(self.std, start, stop)
        return self if chosen is self.std else Clipped(chosen, self.low, self.high)

    def __repr__(self) -> str:
        return _named(self, std=self.std, low=self.low, high=self.high)


def _positive(what: str, value: float | Tensor) -> float | Tensor:
    tensor = real_numbers(value, what)
    if not torch.isfinite(tensor).all() or (tensor <= 0).any():
        raise ValueError(f"{what} must be positive and finite, got {value}")
    return tensor if tensor.ndim else tensor.item()


def _exp(x: Tensor) -> Tensor:
    """exp, and its tangent beyond STRAIGHT."""
    return torch.exp(x.clamp(max=STRAIGHT)) * (1 + (x - STRAIGHT).clamp(min=0))


def _log(value: float | Tensor) -> float | Tensor:
    return value.log() if isinstance(value, Tensor) else math.log(value)


def _gamma(looks: float, like: Tensor, randn_like: RandnLike) -> Tensor:
    """Gamma values of mean 1, each row by a generator of its own."""
    values = [
        np.random.default_rng(seed).gamma(looks, 1 / looks, tuple(like.shape[1:]))
        for seed in seeds_from(randn_like, like)
    ]
    return torch.from_numpy(np.stack(values)).to(like)


def _per_row(each: Tensor, like: Tensor) -> Tensor:
    """The sum over the values of each row, in the precision of `like`; -> (batch,)."""
    return each.flatten(1).sum(1).to(like.dtype)


def _named(noise: NoiseModel, **values: float | Tensor) -> str:
    shown = (f"{key}={value:g}" if isinstance(value, float) else f"{key}=..."
             for key, value in values.items())  # fmt: skip
    return f"{type(noise).__name__}({', '.join(shown)})"
