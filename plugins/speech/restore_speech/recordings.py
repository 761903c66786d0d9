"""Recordings of any rate and several channels, from what is made for (1, samples) at 16 kHz."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
from torch import Tensor

from restore.measurement.operator import LinearOperator
from restore.priors.prior import Law, Prior
from restore.samplers.base import Step, sampler
from restore.samplers.integrators.integrators import Integrator, ddim

from .signals.rates import RATE


def channelwise(prior: Prior, channels: int) -> Prior:
    """The prior of recordings of several channels, each a signal of the given prior.

    (1, samples) becomes (channels, samples); all channels of all chains go through one call, those
    of one channel next to each other, as `told` has them.
    """
    if channels == 1:
        return prior

    def denoise(x: Tensor, sigma: float | Tensor) -> Tensor:
        level = sigma
        if isinstance(sigma, Tensor) and sigma.ndim:
            level = sigma.repeat(channels)
        alone = x.transpose(0, 1).reshape(-1, 1, x.shape[-1])
        return prior.denoise(alone, level).reshape(channels, -1, x.shape[-1]).transpose(0, 1)

    limit = None if prior.limit is None else channels * prior.limit
    shape = None if prior.shape is None else (channels, *prior.shape[1:])
    return replace(prior, denoise=denoise, shape=shape, limit=limit)


def at_rate(prior: Prior, rate: int, samples: int, above: float) -> Prior:
    """The prior of (1, samples) at another rate, whose band that both have is the given prior's.

    White noise of sigma is white noise of sigma sqrt(n / samples) in the n samples at 16 kHz that
    hold the common band. Above 8 kHz the signal counts as Gaussian noise of the std `above`; a band
    that a lower rate lacks is filled up with the noise that it should hold. Both rates meet in an
    FFT of the whole signal, so the split is exact, and has a gradient.
    """
    if rate == RATE:
        return replace(prior, shape=(1, samples))
    inner = round(samples * RATE / rate)
    share = inner / samples
    power, beyond = above**2, max(0.0, 1 - share)

    def denoise(x: Tensor, sigma: float | Tensor) -> Tensor:
        sigma = torch.as_tensor(sigma, dtype=x.dtype, device=x.device)
        level = sigma * share**0.5
        spectrum = torch.fft.rfft(x)
        common = (min(inner, samples) + 1) // 2  # below half of both rates
        low = share * spectrum[..., :common]
        filled = torch.cat([low, _fill(x, level, inner)[..., common:]], -1)
        denoised = torch.fft.rfft(prior.denoise(torch.fft.irfft(filled, n=inner), level)) / share
        level = sigma.reshape(-1, 1, 1) if sigma.ndim else sigma
        gain = power / (power + beyond * level**2) if beyond and power else 0.0
        both = torch.cat([denoised[..., :common], gain * spectrum[..., common:]], -1)
        return torch.fft.irfft(both, n=samples)

    return replace(
        prior,
        denoise=denoise,
        shape=(1, samples),
        sigma_min=prior.sigma_min / share**0.5,
        sigma_max=prior.sigma_max / share**0.5,
        variance=_law(prior, share, power),
        limit=samples,
        card={**prior.card, "rate in Hz": rate},
        offers=frozenset(),
    )


def _law(prior: Prior, share: float, power: float) -> Law:
    """The mean square error of one value: of the common band, and of what lies above it."""

    def law(sigma: float) -> float:
        high = max(0.0, 1 - share) * sigma**2
        unheard = power * high / (power + high) if high and power else 0.0
        return prior.variance(sigma * share**0.5) / max(1.0, share) + unheard

    return law


def _fill(x: Tensor, level: Tensor, inner: int) -> Tensor:
    """The spectrum of white noise of this level, the same for all chains; (1 or batch, 1, bins)."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(1, 1, inner, generator=generator).to(x)
    return torch.fft.rfft((level.reshape(-1, 1, 1) if level.ndim else level) * noise).expand(
        len(x), 1, -1
    )


class EachChannel(LinearOperator):
    """One operator of (1, samples) on each of several channels; (channels, samples)."""

    def __init__(self, operator: LinearOperator, channels: int):
        self.operator = operator
        super().__init__((channels, operator.in_shape[1]), (channels, operator.out_shape[1]))
        self.unitary = operator.unitary

    def _forward(self, x: Tensor) -> Tensor:
        return self._each(self.operator, x)

    def _adjoint(self, y: Tensor) -> Tensor:
        return self._each(self.operator.adjoint, y)

    def _normal(self, x: Tensor) -> Tensor:
        return self._each(self.operator.normal, x)

    def _solve_normal(self, b: Tensor, shift: float | Tensor, start: Tensor | None) -> Tensor:
        shift = self._shifts(shift)
        return self._each(lambda each: self.operator.solve_normal(each, shift), b)

    def _tikhonov(self, y: Tensor, shift: float | Tensor) -> Tensor:
        shift = self._shifts(shift)
        return self._each(lambda each: self.operator.tikhonov(each, shift), y)

    def norm(self, steps: int = 100) -> float:
        return self.operator.norm(steps)

    def __repr__(self) -> str:
        return repr(self.operator)

    def _each(self, function: Callable[[Tensor], Tensor], signal: Tensor) -> Tensor:
        return function(signal.flatten(0, 1)[:, None])[:, 0].unflatten(0, (len(signal), -1))

    def _shifts(self, shift: float | Tensor) -> float | Tensor:
        if not isinstance(shift, Tensor) or shift.numel() == 1:
            return shift
        return shift.flatten().repeat_interleave(self.in_shape[0])


def each_channel(method: Callable[[Tensor], Tensor], signal: Tensor) -> Tensor:
    """A method of waveforms (samples,) on each channel; (channels, samples) -> the same."""
    return torch.stack([method(channel) for channel in signal])


@sampler(integrator=True)
def shared_noise(
    denoise, measurement, x, sigmas, randn_like, *, integrator: Integrator = ddim
) -> Iterator[Step]:
    """An integrator whose noise is one for all channels of a chain: stereo stays where it was.

    For chains that begin from noise alone; the first channel's is taken for all.
    """

    def one(like: Tensor) -> Tensor:
        return randn_like(like[:, :1]).expand_as(like)

    yield from integrator(denoise, measurement, x[:, :1].expand_as(x), sigmas, one)
