"""Processes between clean and noisy speech, x_t = a x0 + b y + std z, as one denoiser.

In the variable u = (x_t - b y) / a every one of them is u = x0 + level z with level = std / a: the
state that samplers know. z is complex of variance one where x is a complex spectrogram.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor

FINE = 4001  # knots of the variances that have no formula in elementary functions


class Path(Protocol):
    """A process by its three coefficients, and the time of a level; all of tensors of times."""

    def clean_share(self, time: Tensor) -> Tensor:
        """a(t), of x0."""
        ...

    def noisy_share(self, time: Tensor) -> Tensor:
        """b(t), of y."""
        ...

    def std(self, time: Tensor) -> Tensor:
        """Standard deviation of x_t given x0 and y."""
        ...

    def time(self, level: Tensor) -> Tensor:
        """The t whose std(t) / a(t) is the level."""
        ...


@dataclass(frozen=True)
class OrnsteinUhlenbeck:
    """OUVE of SGMSE+ (Richter et al., TASLP 2023, arXiv:2208.05830, eq. 4 to 12).

    dx = theta (y - x) dt + g dw, g = sigma_min (sigma_max / sigma_min)^t sqrt(2 ln of the ratio).
    """

    theta: float = 1.5
    sigma_min: float = 0.05
    sigma_max: float = 0.5

    @property
    def _rate(self) -> float:
        return self.theta + math.log(self.sigma_max / self.sigma_min)

    @property
    def _scale(self) -> float:
        return self.sigma_min**2 * math.log(self.sigma_max / self.sigma_min) / self._rate

    def clean_share(self, time: Tensor) -> Tensor:
        return (-self.theta * time).exp()

    def noisy_share(self, time: Tensor) -> Tensor:
        return -torch.expm1(-self.theta * time)

    def std(self, time: Tensor) -> Tensor:
        return self.clean_share(time) * (self._scale * torch.expm1(2 * self._rate * time)).sqrt()

    def time(self, level: Tensor) -> Tensor:
        return torch.log1p(level**2 / self._scale) / (2 * self._rate)


@dataclass(frozen=True)
class BrownianBridge:
    """BBED (Lay et al., Interspeech 2023, arXiv:2302.14748): it ends in y, without noise.

    dx = (y - x) / (1 - t) dt + sqrt(theta) k^t dw; the variance is an integral, tabulated.
    """

    k: float = 2.6
    theta: float = 0.52
    latest: float = 0.999  # the drift has no limit at t = 1

    def clean_share(self, time: Tensor) -> Tensor:
        return 1 - time

    def noisy_share(self, time: Tensor) -> Tensor:
        return time

    def std(self, time: Tensor) -> Tensor:
        return self.clean_share(time) * _interpolated(time, *self._table)

    def time(self, level: Tensor) -> Tensor:
        return _interpolated(level, *reversed(self._table))

    @cached_property
    def _table(self) -> tuple[Tensor, Tensor]:
        """Times, and levels there: the root of the integral of theta k^(2s) / (1 - s)^2."""
        end = 1 / (1 - self.latest)
        stretched = torch.logspace(0, math.log10(end), FINE, dtype=torch.float64)  # 1 / (1 - t)
        time = 1 - 1 / stretched
        rate = self.theta * self.k ** (2 * time)  # in the stretched variable
        return time, torch.cat(
            [rate.new_zeros(1), torch.cumulative_trapezoid(rate, stretched)]
        ).sqrt()


@dataclass(frozen=True)
class SchroedingerBridge:
    """SB-VE (Jukic et al., Interspeech 2024, arXiv:2407.16074): x0 at t = 0, exactly y at t = 1."""

    k: float = 2.6
    c: float = 0.4

    def _variance(self, time: Tensor) -> Tensor:
        return self.c * (self.k ** (2 * time) - 1) / (2 * math.log(self.k))

    @property
    def _whole(self) -> float:
        return self.c * (self.k**2 - 1) / (2 * math.log(self.k))

    def clean_share(self, time: Tensor) -> Tensor:
        return 1 - self._variance(time) / self._whole

    def noisy_share(self, time: Tensor) -> Tensor:
        return self._variance(time) / self._whole

    def std(self, time: Tensor) -> Tensor:
        return (self._variance(time) * self.clean_share(time)).sqrt()

    def time(self, level: Tensor) -> Tensor:
        share = level**2 / (self._whole + level**2)  # v / whole, from level^2 = v / (1 - v / whole)
        return torch.log1p(share * (self.k**2 - 1)) / (2 * math.log(self.k))


def level(path: Path, time: Tensor) -> Tensor:
    """The noise level of the process's state in the variable u, std / a."""
    return path.std(time) / path.clean_share(time)


def state(path: Path, u: Tensor, noisy: Tensor, time: Tensor) -> Tensor:
    """x_t = a u + b y; time: (batch,)."""
    time = time.reshape(-1, *(1,) * (u.ndim - 1))
    return path.clean_share(time) * u + path.noisy_share(time) * noisy


def from_score(path: Path, u: Tensor, score: Tensor, time: Tensor) -> Tensor:
    """E[x0 | x_t, y] from the score of x_t: u + std^2 score / a (Tweedie)."""
    time = time.reshape(-1, *(1,) * (u.ndim - 1))
    return u + path.std(time) ** 2 / path.clean_share(time) * score


def _interpolated(at: Tensor, knots: Tensor, values: Tensor) -> Tensor:
    """Linear between knots, which rise; the last value beyond."""
    knots, values = knots.to(at.device), values.to(at.device)
    x = at.to(torch.float64).clamp(knots[0], knots[-1])
    i = torch.searchsorted(knots, x.contiguous()).clamp(1, len(knots) - 1)
    share = (x - knots[i - 1]) / (knots[i] - knots[i - 1])
    return (values[i - 1] + share * (values[i] - values[i - 1])).to(at.dtype)
