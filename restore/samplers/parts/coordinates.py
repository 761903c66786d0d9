"""A linear measurement in the singular basis of its operator: one number a coordinate.

With A = U diag(s) V^H, a coordinate c = V^H x was measured as y' = U^H y / s = c + level n, with
level = std / s. As white noise stays white in this basis, y' is what the diffusion itself would
show of the coordinate at sigma = level (Kawar et al. 2021, arXiv:2105.14951).
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ...measurement.measurement import Measurement
from ...measurement.noise import Gaussian
from ...measurement.signal import RandnLike, per_chain
from ...measurement.spectral import svd
from ...measurement.whitening import Whitened


@dataclass(frozen=True)
class Coordinates:
    of: Callable[[Tensor], Tensor]  # V^H x
    signal: Callable[[Tensor], Tensor]  # V c
    y: Tensor  # y', (batch, ...), 0 where nothing is measured
    level: Tensor  # of the noise in y', (1 or batch, ...), infinite where nothing is measured

    def share(self, sigma: float, own_noise: bool) -> Tensor:
        """How much of the noise that x keeps at `sigma` is that of y', from 0 to 1.

        DDRM and DDNM+ put (y' - D) / level in place of the noise of x wherever y' is noisier than
        sigma: the same draw in every step and every chain, so that nothing averages it away; on a
        blur whose levels go from 0.1 to 1000 for a signal of deviation 1 the mean is 0.57 posterior
        standard deviations off. With own_noise the share is sigma / level: all of it where y' is as
        good as x, less the more it is drowned, and x's own noise makes up the variance; the mean is
        then 0.05 off.
        """
        if own_noise:
            return (sigma / self.level).clamp(max=1)
        return torch.where(self.level.isinf(), 0.0, 1.0)

    def known(self, sigma: float, fresh: Tensor) -> Tensor:
        """The measured coordinates at a level above their own, noised up to it."""
        return self.y + (sigma**2 - self.level**2).clamp(min=0).sqrt() * fresh

    def ancestral(self, x, denoised, sigma: float, sigma_next: float, randn_like: RandnLike):
        """An ancestral step of signals in which a coordinate whose own level is passed sets out
        from its measurement, at that level."""
        passed = (self.level <= sigma) & (self.level > sigma_next)
        c, d, fresh = self.of(x), self.of(denoised), self.of(randn_like(x))
        start = torch.where(passed, self.y, c)
        keep = (sigma_next / torch.where(passed, self.level, sigma)) ** 2
        return self.signal(d + keep * (start - d) + sigma_next * (1 - keep).sqrt() * fresh)


def coordinates(measurement: Measurement, x: Tensor) -> Coordinates:
    """The measurement in coordinates, for chains like x (batch, *in_shape).

    Noise that differs between values is made white first: the coordinates are those of
    diag(1 / std) A, in which values without noise have a thousandth of y. TypeError unless the
    operator is linear and the noise Gaussian, and for an operator without singular values.
    """
    if not measurement.linear_gaussian:
        raise TypeError("singular values need a linear operator and Gaussian noise")
    if _several(measurement):
        measurement = _whitened(measurement.with_density)
    operators = [measurement.operator.select(i, i + 1) for i in range(measurement.observations)]
    if all(operator is operators[0] for operator in operators):
        operators = operators[:1]
    found = [svd(operator) for operator in operators]
    values = torch.stack([one.values for one in found]).to(x.device, x.real.dtype)
    values = per_chain(values, len(x))
    y = _per_observation([one.from_measurement for one in found])(measurement.expanded(len(x)))
    level = _std(measurement, values) / values
    measured_mask = (values > 0).expand(y.shape)
    return Coordinates(
        of=_per_observation([one.from_signal for one in found]),
        signal=_per_observation([one.to_signal for one in found]),
        y=torch.where(measured_mask, y / values, 0),
        level=torch.where(values > 0, level, torch.inf),
    )


def _several(measurement: Measurement) -> bool:
    """Whether the noise differs between the values of one signal."""
    std = measurement.noise.std
    return isinstance(std, Tensor) and any(n != 1 for n in std.shape[1:])


def _whitened(measurement: Measurement) -> Measurement:
    """diag(1 / std) y of diag(1 / std) A, with noise of std 1."""
    noise, operator = measurement.noise, measurement.operator
    return Measurement(noise.whiten(measurement.y), Whitened(operator, noise), Gaussian(1.0))


def _std(measurement: Measurement, like: Tensor) -> float | Tensor:
    std = measurement.noise.on(measurement.y)
    if not isinstance(std, Tensor):
        return std
    return per_chain(std.flatten(), len(like)).reshape(-1, *(1,) * (like.ndim - 1))


def _per_observation(maps: list) -> Callable[[Tensor], Tensor]:
    """One map for all, or that of each observation on its own chains."""
    if len(maps) == 1:
        return maps[0]
    return lambda value: torch.cat(
        [one(part) for one, part in zip(maps, value.split(len(value) // len(maps)), strict=True)]
    )
