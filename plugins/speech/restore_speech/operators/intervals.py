"""Measurements that say of each sample between which values it lies: clipping and rounding.

Both are laws of the identity: `Measurement(y, Identity((1, samples)), Clipping(level))`. Their
proximal steps are closed, so that `Measurement.proximal` is exact: a projection on what y allows
where std is 0 (consistent declipping; Rencker et al., LVA/ICA 2018).
"""

import math
from abc import abstractmethod

import torch
from torch import Tensor

from restore.measurement.noise import NoiseModel, levels_of, levels_on
from restore.measurement.signal import RandnLike, column


class Interval(NoiseModel):
    """log p(y | clean) = -d^2 / (2 std^2), up to a constant; d: from clean to what y allows.

    std: how far outside a sample may lie, in the signal's units; 0 allows no more than y does, and
    then has no density. A number, or a tensor that broadcasts against (observations, 1, samples).
    """

    def __init__(self, std: float | Tensor = 0.0):
        tensor = torch.as_tensor(std, dtype=torch.float64)
        if not torch.isfinite(tensor).all() or (tensor < 0).any():
            raise ValueError(f"a std must be finite and not negative, got {std}")
        self.std: float | Tensor = tensor if tensor.ndim else tensor.item()
        self.has_density, self.noise_free = bool(tensor.all()), not tensor.any()

    @abstractmethod
    def allowed(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """The least and the largest clean value that gives y; shaped like y, perhaps infinite."""

    @abstractmethod
    def with_std(self, std: float | Tensor) -> "Interval":
        """The law with another std."""

    def nearest(self, y: Tensor, clean: Tensor) -> Tensor:
        """What y allows that is nearest to clean; (batch, 1, samples)."""
        low, high = self.allowed(y)
        return torch.minimum(torch.maximum(clean, low), high)

    def log_prob(self, y: Tensor, clean: Tensor) -> Tensor:
        self._demand_density()
        away = (clean - self.nearest(y, clean)).double() / levels_on(self.std, y.double())
        return (-0.5 * away.square().flatten(1).sum(1)).to(clean.dtype)

    def score(self, y: Tensor, clean: Tensor) -> Tensor:
        self._demand_density()
        return (self.nearest(y, clean) - clean) / levels_on(self.std, clean) ** 2

    def information(self, y: Tensor, clean: Tensor) -> Tensor:
        return torch.ones_like(clean) / levels_on(self.std, clean) ** 2

    def proximal(self, y: Tensor, clean: Tensor, variance: float | Tensor) -> Tensor:
        if isinstance(variance, Tensor) and variance.ndim == 1:
            variance = column(variance.to(clean), clean)
        share = variance / (variance + levels_on(self.std, clean) ** 2)
        return share * self.nearest(y, clean) + (1 - share) * clean

    def at_least(self, least: float | Tensor) -> "Interval":
        """The law with a std of at least this; a number, or (observations, 1, 1)."""
        least = torch.as_tensor(least, dtype=torch.float64)
        return self.with_std(torch.maximum(torch.as_tensor(self.std).to(least), least))

    def _demand_density(self) -> None:
        if not self.has_density:
            raise ValueError(
                f"{self}: what allows nothing else has no density; give it a std, or use a sampler "
                "of proximal steps, such as diffpir"
            )

    def select(self, start: int, stop: int) -> "Interval":
        chosen = levels_of(self.std, start, stop)
        return self if chosen is self.std else self.with_std(chosen)


class Clipping(Interval):
    """y = clean limited to -level .. level: a sample at a limit was there or beyond.

    level: in the signal's units. ValueError unless positive and finite.
    """

    def __init__(self, level: float, std: float | Tensor = 0.0):
        super().__init__(std)
        self.level = _positive("a clipping level", level)

    def draw(self, clean: Tensor, randn_like: RandnLike) -> Tensor:
        return clean.clamp(-self.level, self.level)

    def allowed(self, y: Tensor) -> tuple[Tensor, Tensor]:
        level = torch.full_like(y, self.level)  # rounded as y is
        low = torch.where(y <= -level, -torch.inf, torch.minimum(y, level))
        high = torch.where(y >= level, torch.inf, torch.maximum(y, -level))
        return low, high

    def with_std(self, std: float | Tensor) -> "Clipping":
        return Clipping(self.level, std)

    def __repr__(self) -> str:
        return f"Clipping({self.level:g})"


class Quantisation(Interval):
    """y = clean rounded to the nearest multiple of step: a sample lies in the cell around y.

    step: in the signal's units, 2^-15 for 16 bits. ValueError unless positive and finite.
    """

    def __init__(self, step: float, std: float | Tensor = 0.0):
        super().__init__(std)
        self.step = _positive("a step", step)

    def draw(self, clean: Tensor, randn_like: RandnLike) -> Tensor:
        return self.step * (clean / self.step).round()

    def allowed(self, y: Tensor) -> tuple[Tensor, Tensor]:
        return y - self.step / 2, y + self.step / 2

    def with_std(self, std: float | Tensor) -> "Quantisation":
        return Quantisation(self.step, std)

    def __repr__(self) -> str:
        return f"Quantisation({self.step:g})"


def _positive(what: str, value: float) -> float:
    if not (value > 0 and math.isfinite(value)):
        raise ValueError(f"{what} must be positive and finite, got {value}")
    return float(value)
