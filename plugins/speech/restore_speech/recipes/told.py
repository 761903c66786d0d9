"""What `enhance` and `dereverb` share: speech given the recording, by the prior that is told it."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from restore.files.task import Record, SamplerChoice, Task
from restore.priors.prior import Prior
from restore.samplers.integrators.integrators import dpm_solver_sde

from ..conditional import nothing_measured, told
from ..recordings import channelwise, each_channel
from ..signals.model_band import Changes, ModelBand
from ..signals.rates import RATE
from . import show, spectral

PRIOR, SAMPLER = "speech-enhance", "shared-noise"
Front = Literal["none", "predict"]
STEPS = 4  # of samples; a single chain is the mean, which takes one
LEAD = 8_000  # samples at 16 kHz of the recording, mirrored, that run in the network at both ends


def told_task(
    record: Record, noise: float | None, changes: Changes, front: Front, *, dry: bool, recipe: str
):
    """The task of speech given all of a noisy recording; ValueError for what is none."""
    refuse_other(record, recipe)
    if noise is not None:
        raise ValueError(f"{recipe} hears the noise itself; leave --noise out")
    band = ModelBand(record.signal, record.meta["rate"], changes, record.meta.get("whole"))
    recording = lead_in(band.low)

    def present(signal: Tensor) -> Record:
        return record.with_signal(band.back(cut_lead(signal, band.low.shape[1])))

    def adapt_prior(prior: Prior) -> Prior:
        return channelwise(told(prior, recording[:, None], dry=dry), len(recording))

    def posed(recording: Tensor) -> Task:
        return Task(
            nothing_measured(tuple(recording.shape)),
            PRIOR,
            SamplerChoice(
                SAMPLER,
                STEPS,
                steps_alone=1,
                mean_at_once=True,
                chains=1,
                options={"integrator": dpm_solver_sde},
            ),
            present,
            comparison=show.comparison(record, baselines(recording, dry)),
            facts=facts_of(record, band),
        )

    def suited(prior: Prior) -> Task:
        """With SGMSE+, without a lead: its spectra are mirrored at the ends themselves."""
        if prior.tell is None:
            if front == "predict":
                raise ValueError("front=predict is for priors of spectrograms, as SGMSE+")
            return task
        seen = spectral.predicted(band.low, dry=dry) if front == "predict" else band.low
        return spectral.as_spectrograms(posed(band.low), prior, seen)

    task = replace(posed(recording), adapt_prior=adapt_prior, suited=suited)
    return task


def lead_in(low: Tensor) -> Tensor:
    """The recording with its first and last half second mirrored at its ends, or less if short."""
    lead = min(LEAD, low.shape[1] - 1)
    return torch.nn.functional.pad(low, (lead, lead), "reflect")


def cut_lead(signal: Tensor, samples: int) -> Tensor:
    """What `lead_in` was given."""
    lead = (signal.shape[1] - samples) // 2
    return signal[:, lead : lead + samples]


def facts_of(record: Record, band: ModelBand) -> dict[str, object]:
    """What was found in a recording, for its report."""
    rate, level = record.meta["rate"], band.level
    words = "digital silence" if level == 0 else f"{20 * torch.tensor(level).log10():.1f} dB"
    facts = {"rate in Hz": rate, "channels": len(record.signal), "level of speech": words}
    if rate > RATE:
        facts["above 8 kHz"] = band.changes.high_band
    return facts


def refuse_other(record: Record, recipe: str) -> None:
    """ValueError for a record that is no recording."""
    if record.kind != "speech":
        raise ValueError(f"{record.source} holds {record.kind}; {recipe} takes recordings")


def baselines(recording: Tensor, dry: bool) -> Mapping[str, Callable[[], Tensor]]:
    """Classical answers by name, of the recording as the network is told it."""
    names = {"wpe": "wpe"} if dry else {"log-mmse": "log_mmse", "spectral-gate": "spectral_gate"}

    def answer(method: str) -> Tensor:
        from .. import classical

        return each_channel(lambda x: getattr(classical, method)(x, RATE), recording)

    return {name: partial(answer, method) for name, method in names.items()}
