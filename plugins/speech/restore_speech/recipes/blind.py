"""Speech out of a room that is unknown: the room and the speech are found in turn. Experimental.

A posterior sampler of clean speech, as with a known response, that finds the response anew at each
noise level. It begins at one call of speech-enhance, and what it ends at goes through one more.
"""

from collections.abc import Iterator

from torch import Tensor

from restore.files.task import Record, SamplerChoice, Task
from restore.priors.schedules import karras
from restore.samplers.base import Step, levels

from ..conditional import nothing_measured
from ..operators.unknown_room import UnknownRoom
from ..recordings import channelwise
from ..signals.level import LEVEL
from ..signals.model_band import ModelBand
from . import show
from .spectral import predicted
from .told import baselines, facts_of

STEPS = 10
START, FINEST = 2.0, 0.1  # the first and the last noise level, in units of the models' level


def blind_task(record: Record, band: ModelBand) -> Task:
    """The task of speech in an unknown room."""
    recording = band.low
    alternation = Alternation(UnknownRoom(recording), predicted(recording, dry=True))

    def present(signal: Tensor) -> Record:
        return record.with_signal(band.back(signal))

    return Task(
        nothing_measured(tuple(recording.shape)),
        "speech",
        SamplerChoice(
            "shared-noise",
            STEPS,
            chains=1,
            options={"integrator": alternation},
            schedule=lambda steps: karras(START * LEVEL, FINEST * LEVEL, steps),
        ),
        present,
        adapt_prior=lambda prior: channelwise(prior, len(recording)),
        comparison=show.comparison(record, baselines(recording, dry=True)),
        facts={**facts_of(record, band), "room": "unknown, found beside the speech: experimental"},
    )


class Alternation:
    """An integrator for chains that begin at noise alone: it adds its own first guess."""

    def __init__(self, room: UnknownRoom, begins: Tensor):
        self.room, self.begins = room, begins

    def __call__(self, denoise, measurement, x, sigmas, randn_like) -> Iterator[Step]:
        estimate = self.begins.to(x).expand_as(x)
        x = x + estimate
        for sigma, sigma_next in levels(sigmas):
            estimate = self.room.explained(estimate, denoise(x, sigma), sigma**2)
            x = estimate + sigma_next * randn_like(x)
            if not sigma_next:
                x = predicted(estimate.flatten(0, 1), dry=True).reshape(x.shape)
            yield Step(x, estimate, sigma)
