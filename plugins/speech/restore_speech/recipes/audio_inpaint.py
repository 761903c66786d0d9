"""audio-inpaint: gaps in a recording are filled, from where an autoregressive model begins."""

from functools import cache
from pathlib import Path

import torch
from restore_operators import Mask
from torch import Tensor

from restore.files.task import Recipe, Record, Task
from restore.measurement.measurement import Measurement
from restore.measurement.noise import Gaussian

from ..files.pieces import in_pieces
from ..signals.damage import gaps as gaps_in
from ..signals.damage import lengths
from . import show
from .fitted import PRIOR, STEPS, begun_from, fitted
from .given import intervals
from .told import refuse_other

START = 2.0  # noise that the autoregressive answer is given, in units of the models' level


def solve_audio_inpaint(record: Record, noise: float | None, *, gaps: Path | None = None) -> Task:
    """Fill gaps; all other samples stay as they are.

    gaps: CSV of begin,end or JSON of [[begin, end], ...], in seconds; else runs of one value of 2
    to 500 ms
    """
    refuse_other(record, "audio-inpaint")
    if noise is not None:
        raise ValueError("audio-inpaint keeps what was recorded as it is; leave --noise out")
    lost = _lost(record, gaps)
    model = fitted(record.with_signal(torch.where(lost, 0, record.signal)))

    @cache
    def start() -> Tensor:
        from ..classical import interpolate_ar

        order = round(48 * max(1.0, model.rate / 16_000))
        filled = [
            interpolate_ar(x, ~mark, rate=model.rate, order=order)
            for x, mark in zip(model.signal, lost)
        ]
        return torch.stack(filled)

    def present(signal: Tensor) -> Record:
        return record.with_signal(torch.where(lost, model.back(signal), record.signal))

    kept = (~lost).float()
    return Task(
        Measurement(kept * model.signal, Mask(kept), Gaussian(0.0)),
        PRIOR,
        begun_from(start(), START, STEPS),
        present,
        adapt_prior=model.prior_of(start),
        comparison=show.comparison(record, {"ar": start}),
        facts=_facts(lost, model.rate),
    )


def _facts(lost: Tensor, rate: int) -> dict[str, object]:
    found = lengths(lost)
    return {
        "gaps": len(found),
        "longest gap in ms": 1000 * max(found) / rate,
        "lost": sum(found) / lost.numel(),
        "begun from": f"an autoregressive model with noise of {START:g} of the level",
    }


def _lost(record: Record, given: Path | None) -> Tensor:
    """Which samples are to be filled, (channels, samples) of bool; ValueError for none and all."""
    rate, samples = record.meta["rate"], record.signal.shape[1]
    if given is None:
        lost = gaps_in(record.signal, rate)
    else:
        whole = record.meta.get("whole")
        first = 0 if whole is None else whole.start
        lost = torch.zeros(samples, dtype=torch.bool)
        for begin, end in intervals(given):
            lost[max(0, round(begin * rate) - first) : max(0, round(end * rate) - first)] = True
        lost = lost.expand(record.signal.shape).clone()
    if not lost.any():
        where = f"{given} names" if given else f"{record.source} has"
        raise ValueError(f"{where} no gaps inside the recording; give them, --gaps FILE")
    if lost.all(1).any():
        raise ValueError(f"all of a channel of {record.source} is a gap")
    return lost


audio_inpaint = Recipe(solve_audio_inpaint, pieces=in_pieces)
