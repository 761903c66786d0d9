"""bandwidth: the upper band that narrow speech has lost."""

from collections.abc import Mapping
from dataclasses import replace

from torch import Tensor

from restore.files.task import Recipe, Record, SamplerChoice, Task
from restore.measurement.measurement import Measurement
from restore.measurement.noise import Gaussian

from ..files.pieces import in_pieces
from ..operators import BandLimit
from ..recordings import EachChannel
from ..signals.damage import band_end
from ..signals.level import LEVEL
from ..signals.rates import RATE, resampled
from . import show
from .fitted import PRIOR, SAMPLER, fitted
from .told import refuse_other

STEPS = 40
NOISE = 1e-3  # of what is heard, in units of the models' level: sixteen bits, or a codec's


def solve_bandwidth(
    record: Record,
    noise: float | None,
    *,
    cutoff: float | None = None,
    rate: int | None = None,
) -> Task:
    """Add the band up to 8 kHz that a recording lacks; what it holds stays as it is.

    cutoff: where its band ends, in Hz; else where the spectrum falls
    rate: of the output, in Hz; else the file's own
    """
    refuse_other(record, "bandwidth")
    record = _at(record, rate)
    cutoff = _cutoff(record, cutoff)
    narrow = record.with_signal(resampled(record.signal, record.meta["rate"], RATE))
    model = fitted(replace(narrow, meta={**record.meta, "rate": RATE}))
    channels, samples = model.signal.shape
    heard = EachChannel(BandLimit(RATE, cutoff, samples), channels)
    std = NOISE * LEVEL if noise is None else noise * model.factor

    def present(signal: Tensor) -> Record:
        added = signal - heard(signal[None])[0]
        wide = resampled(added / model.factor, RATE, record.meta["rate"], record.signal.shape[1])
        return record.with_signal(record.signal + wide)

    return Task(
        Measurement(heard(model.signal[None])[0], heard, Gaussian(std)),
        PRIOR,
        SamplerChoice(SAMPLER, STEPS, chains=1),
        present,
        adapt_prior=model.prior_of(lambda: model.signal),
        comparison=replace(show.comparison(record, {}), input_shown=record),
        facts={"cutoff in Hz": cutoff, "rate in Hz": record.meta["rate"]},
    )


def observe_bandwidth(record: Record, *, cutoff: float = 4000.0) -> EachChannel:
    """Take away all above a frequency.

    cutoff: in Hz
    """
    channels, samples = record.signal.shape
    return EachChannel(BandLimit(record.meta["rate"], cutoff, samples), channels)


def degraded_bandwidth(record: Record, operator: EachChannel, y: Tensor) -> Mapping[str, Record]:
    """The narrow recording."""
    return {"measurement": record.with_signal(y)}


def _at(record: Record, rate: int | None) -> Record:
    """The record at the rate asked for; ValueError where that leaves no band to add."""
    own = record.meta["rate"]
    wanted = own if rate is None else rate
    if wanted < own:
        raise ValueError(f"{record.source} is at {own} Hz; --rate {rate} would take from it")
    if rate is None and own < RATE:
        raise ValueError(
            f"{record.source} is at {own} Hz, which holds no band to add; give a rate of the "
            "output, --rate 16000"
        )
    signal = resampled(record.signal, own, wanted)
    return replace(record, signal=signal, meta={**record.meta, "rate": wanted})


def _cutoff(record: Record, given: float | None) -> float:
    found = band_end(record.signal, record.meta["rate"]) if given is None else given
    if found is None:
        raise ValueError(f"no end of a band is seen in {record.source}; give it, --cutoff 4000")
    if not 0 < found < RATE / 2:
        raise ValueError(
            f"the band of {record.source} ends at {found:.0f} Hz; what is added ends at 8000 Hz"
        )
    return float(found)


bandwidth = Recipe(solve_bandwidth, observe_bandwidth, degraded_bandwidth, pieces=in_pieces)
