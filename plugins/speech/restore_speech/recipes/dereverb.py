"""dereverb: a room out of speech, unknown or with its response at hand."""

from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from restore.files.task import Recipe, Record, SamplerChoice, Task
from restore.measurement.measurement import Measurement
from restore.measurement.noise import Gaussian
from restore.priors.prior import Prior
from restore.priors.schedules import karras

from ..files.pieces import in_pieces
from ..operators import RoomResponse
from ..recordings import EachChannel, channelwise, each_channel
from ..signals.level import LEVEL, quietest
from ..signals.model_band import Changes, HighBand, ModelBand, Stereo
from ..signals.rates import RATE
from . import given, show
from .blind import blind_task
from .told import Front, facts_of, refuse_other, told_task

STEPS, CHAINS = 25, 4  # whose mean is what is restored
START, FINEST = 3.0, 1e-4  # noise: what Wiener's answer is given, of the measurement's; the last
LEAST = 1e-4  # noise at the models' level that is assumed at least: sixteen bits


def solve_dereverb(
    record: Record,
    noise: float | None,
    *,
    response: Path | None = None,
    blind: bool = False,
    strength: float = 1.0,
    max_attenuation: float | None = None,
    high_band: HighBand = "match",
    stereo: Stereo = "shared",
    front: Front = "none",
) -> Task:
    """Take the room out of speech.

    response: a recording of the room's response, for a posterior that explains the recording by it;
    else the network is told the recording, and noise goes with the room
    blind: find the room beside the speech; experimental
    strength: how much of the change to make, 0 to 1
    max_attenuation: dB by which reverberation is lowered at most; else as far as it goes
    high_band: above 8 kHz: match what was done to the octave below, keep, or drop
    stereo: shared level and noise, the mid of all channels in each of them, or independent
    front: predict tells SGMSE+ what speech-enhance makes of the recording, in its place
    """
    changes = Changes(strength, max_attenuation, high_band, stereo)
    if blind:
        return _unknown_room(record, noise, response, changes, front)
    if response is None:
        return told_task(record, noise, changes, front, dry=True, recipe="dereverb")
    if front != "none":
        raise ValueError("a room whose response is known needs no front; leave --front out")
    return _known_room(record, noise, Path(response), changes)


def _unknown_room(
    record: Record, noise: float | None, response: Path | None, changes: Changes, front: Front
) -> Task:
    refuse_other(record, "dereverb")
    for what, told in (("--noise", noise), ("--response", response)):
        if told is not None:
            raise ValueError(f"a room found beside the speech needs no {what}; leave it out")
    if front != "none":
        raise ValueError("--blind has a front of its own; leave --front out")
    return blind_task(
        record, ModelBand(record.signal, record.meta["rate"], changes, record.meta.get("whole"))
    )


def _known_room(record: Record, noise: float | None, response: Path, changes: Changes) -> Task:
    """The task of speech in a room whose response was recorded.

    Room and recording are periodic to the operator, with as much silence between as the response
    lasts, so that its proximal step is closed; what comes before the direct sound lies at the end.
    """
    refuse_other(record, "dereverb")
    band = ModelBand(record.signal, record.meta["rate"], changes, record.meta.get("whole"))
    taps, direct = given.response(response)
    samples = band.low.shape[1]
    y = torch.nn.functional.pad(band.low, (0, len(taps)))
    around = torch.nn.functional.pad(taps, (0, y.shape[1] - len(taps))).roll(-direct)
    room = RoomResponse(around, y.shape[1], periodic=True)
    std = max(quietest(band.low, RATE), LEAST) if noise is None else noise * band.factor

    @cache
    def start() -> Tensor:
        from ..classical import wiener_deconvolve

        late = torch.nn.functional.pad(y, (direct, 0))  # what comes before the direct sound
        return each_channel(lambda x: wiener_deconvolve(x, taps, std), late)[:, : y.shape[1]]

    def present(signal: Tensor) -> Record:
        return record.with_signal(band.back(signal[:, :samples]))

    def adapt_prior(prior: Prior) -> Prior:
        return channelwise(prior, len(y))

    begun = max(START * std, 10 * FINEST)
    choice = SamplerChoice(
        "diffpir",
        STEPS,
        chains=CHAINS,
        init=start(),
        sigma_start=begun,
        schedule=lambda steps: karras(begun, FINEST, steps),
    )
    begins = f"Wiener's answer with noise of {begun / LEVEL:.2g} of the level"
    return Task(
        Measurement(y, EachChannel(room, len(y)), Gaussian(std)),
        "speech",
        choice,
        present,
        adapt_prior=adapt_prior,
        comparison=show.comparison(record, {"wiener": start}),
        facts={
            **facts_of(record, band),
            "noise, of the full range": std / band.factor,
            "begun from": begins,
        },
    )


dereverb = Recipe(solve_dereverb, pieces=in_pieces)
