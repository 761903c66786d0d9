"""What the recipes with an operator share: their signals are recordings at the files' own rate."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from restore.files.task import Record, SamplerChoice
from restore.priors.prior import Prior
from restore.priors.schedules import karras

from ..conditional import TOLD, told
from ..recordings import at_rate, channelwise
from ..signals.level import LEVEL
from ..signals.model_band import constant_of, levels_of
from ..signals.rates import RATE, in_model_band, resampled

PRIOR, SAMPLER = "speech", "diffpir"
STEPS = 25
FINEST = 0.01  # the last noise level, in units of the models' level: 40 dB below speech


def begun_from(start: Tensor, noise: float, steps: int, chains: int = 1) -> SamplerChoice:
    """The sampler from a first guess on, all steps between its noise and the finest.

    noise: that the guess is given, in units of the models' level.
    """
    return SamplerChoice(
        SAMPLER,
        steps,
        chains=chains,
        init=start,
        sigma_start=noise * LEVEL,
        schedule=lambda count: karras(noise * LEVEL, FINEST * LEVEL, count),
    )


@dataclass(frozen=True)
class Fitted:
    """A recording at the models' level, and the prior of such recordings."""

    signal: Tensor  # (channels, samples), without its constant
    factor: float  # what brought it to that level
    constant: Tensor  # (channels, 1)
    rate: int

    def back(self, signal: Tensor) -> Tensor:
        """A signal of this kind as the file has it."""
        return signal / self.factor + self.constant

    def prior_of(self, start: Callable[[], Tensor]) -> Callable[[Prior], Prior]:
        """Prior of 16 kHz -> prior of such signals.

        start: a first guess of the signal; what a prior that can be told a recording is told.
        """
        channels, samples = self.signal.shape
        above = (self.signal - in_model_band(self.signal, self.rate)).square().mean().sqrt().item()

        def fitted(prior: Prior) -> Prior:
            if TOLD in prior.offers:
                low = resampled(start(), self.rate, RATE)
                prior = told(prior, low[:, None])
            return channelwise(at_rate(prior, self.rate, samples, above), channels)

        return fitted


def fitted(record: Record, *, centred: bool = True) -> Fitted:
    """A record at the models' level; centred: without the mean of each channel."""
    rate, whole = record.meta["rate"], record.meta.get("whole")
    constant = constant_of(record.signal) if whole is None else whole.constant
    constant = constant if centred else 0 * constant
    signal = record.signal - constant
    levels = levels_of(signal, rate) if whole is None else whole.levels
    level = levels.square().mean().sqrt().item()
    if level == 0:
        raise ValueError(f"{record.source} holds digital silence: there is nothing to restore")
    factor = LEVEL / level
    return Fitted(factor * signal, factor, constant, rate)
