"""How far samples should spread, told by measurements that were kept back.

Samplers that are narrow by construction, and priors that are surer than they should be, give
intervals that are too short. What was measured can tell: from a part of it, the rest is predicted,
and how far it lies from the samples' mean is set against how far they lie from it themselves. No
truth is needed. It is cross-validation of one number, a factor on the samples' deviations; an
option of the sampler that a recipe is unsure of is chosen in the same way. A domain sets lines or
views aside; where none can be, `thinning` splits any measurement.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..measurement.measurement import Measurement
from ..measurement.noise import Gaussian, NoiseModel, Poisson

Options = Mapping[str, Any]  # of a sampler
Run = Callable[[Options], Tensor]
CHAINS = 3  # of a run without what is kept back
SURE = 3.0  # standard errors that the error must exceed the noise by, to tell anything


@dataclass(frozen=True)
class Split:
    """One measurement as two, of one signal and with noises of their own."""

    kept: Measurement
    held: Measurement


def width(samples: Tensor, split: Split) -> float:
    """The factor on deviations from the mean that explains what was kept back; 1 or more.

    samples: (chains, *shape), of p(x | split.kept). For samples of the right law the mean of n
    misses A x by (1 + 1 / n) times their variance, and y lies the noise farther: the factor is
    sqrt((|y - A mean|^2 - std^2) / ((1 + 1/n) var(A x))), all summed over what was measured. It is
    1 where the noise hides it: where the numerator is within 3 of its standard errors. A noise
    that the kept data show to be assumed too large, by the chi-square of the mean, counts as less.
    ValueError for noise that is neither Gaussian nor Poisson, several observations, or a single
    sample.
    """
    sums = _sums(samples, split.held)
    level = 1.0
    if isinstance(split.kept.noise, Gaussian):
        level = min(level, split.kept.chi_square(samples.mean(0, keepdim=True)).item())
    excess = sums.error - level * sums.noise
    if excess <= SURE * level * sums.standard_error or sums.variance <= 0:
        return 1.0
    return max(1.0, (excess / ((1 + 1 / len(samples)) * sums.variance)) ** 0.5)


def squared_error(samples: Tensor, held: Measurement) -> float:
    """|y - A mean|^2 of what was kept back, had the mean been that of many samples.

    Whichever option of a sampler makes it least is the best for this measurement. samples: (chains,
    *shape), of p(x | split.kept). ValueError for noise that is neither Gaussian nor Poisson,
    several observations, or a single sample.
    """
    sums = _sums(samples, held)
    return sums.error - sums.variance / len(samples)


def best_options(candidates: Sequence[Options], run: Run, split: Split) -> tuple[Options, float]:
    """The options whose samples predict best what was kept back, and the width of those samples.

    run: options -> samples (chains, *shape) of p(x | split.kept).
    """
    runs = [run(options) for options in candidates]
    best = min(range(len(runs)), key=lambda i: squared_error(runs[i], split.held))
    return candidates[best], width(runs[best], split)


@dataclass(frozen=True)
class _Sums:
    """Sums over all that was kept back, both parts of complex numbers counted."""

    error: float  # squares of y - A mean
    variance: float  # of A x, over the samples
    noise: float  # variances of the noise
    standard_error: float  # of `error`, by the noise alone


def _sums(samples: Tensor, held: Measurement) -> _Sums:
    noise = held.noise
    if not isinstance(noise, (Gaussian, Poisson)) or held.observations > 1 or len(samples) < 2:
        raise ValueError("what is kept back is compared with two samples or more, as one "
                         "observation of Gaussian noise or counts")  # fmt: skip
    expected = held.operator(samples)
    measured = held.measured_mask
    mean = expected.mean(0, keepdim=True)
    power, spread = _noise_moments(noise, mean)
    off = ((held.y - mean).abs().double().square() * measured).sum().item()
    variance = ((expected - mean).abs().double().square() * measured).sum().item()
    return _Sums(
        off,
        variance / (len(samples) - 1),
        (power * measured).sum().item(),
        (spread * measured).sum().item() ** 0.5,
    )


def _noise_moments(noise: NoiseModel, clean: Tensor) -> tuple[Tensor, Tensor]:
    """The mean of |y - clean|^2 and its variance, value by value; both parts of a complex one."""
    if isinstance(noise, Poisson):
        rate = noise.peak * clean.double().clamp(min=0)
        return rate / noise.peak**2, (2 * rate.square() + rate) / noise.peak**4
    parts = 2 if clean.is_complex() else 1
    power = torch.as_tensor(noise.on(clean), device=clean.device).double().square()
    power = power.expand(clean.shape)
    return parts * power, 2 * parts * power.square()
