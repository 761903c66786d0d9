"""declip: peaks that were cut off are drawn anew, from where A-SPADE puts them."""

import warnings
from functools import cache

import torch
from restore_operators import Identity
from torch import Tensor

from restore.errors import RestoreWarning
from restore.files.task import Recipe, Record, Task
from restore.measurement.measurement import Measurement

from ..files.pieces import in_pieces
from ..operators import Clipping
from ..recordings import each_channel
from ..signals.damage import clip_level
from . import show
from .fitted import PRIOR, begun_from, fitted
from .told import refuse_other

STEPS, CHAINS = 30, 4  # whose mean is what is restored
START = 0.2  # noise that A-SPADE's answer is given, in units of the models' level


def solve_declip(record: Record, noise: float | None, *, level: float | None = None) -> Task:
    """Restore peaks that were clipped; all other samples stay as they are.

    level: the magnitude that was clipped at, in units of the full range; else the histogram's
    """
    refuse_other(record, "declip")
    if noise is not None:
        raise ValueError("declip takes samples below the level as they are; leave --noise out")
    level = _level(record, level)
    clipped = record.signal.abs() >= level * (1 - 1e-6)
    model = fitted(record, centred=False)
    at = model.signal.abs()[clipped].min().item()  # level * factor, as float32 rounds it

    @cache
    def start() -> Tensor:
        from ..classical import declip_aspade

        return each_channel(lambda x: declip_aspade(x, at), model.signal)

    def present(signal: Tensor) -> Record:
        return record.with_signal(torch.where(clipped, model.back(signal), record.signal))

    return Task(
        Measurement(model.signal, Identity(model.signal.shape), Clipping(at)),
        PRIOR,
        begun_from(start(), START, STEPS, CHAINS),
        present,
        adapt_prior=model.prior_of(start),
        comparison=show.comparison(record, {"a-spade": start}),
        facts={
            "clip level": level,
            "clipped samples": int(clipped.sum()),
            "begun from": f"A-SPADE with noise of {START:g} of the level",
        },
    )


def _level(record: Record, given: float | None) -> float:
    """The level given, or that of the histogram, said in a line; ValueError where there is none."""
    peak = record.signal.abs().max().item()
    if given is not None:
        if not 0 < given <= peak * (1 + 1e-6):  # single precision on file
            raise ValueError(
                f"no sample of {record.source} reaches {given:g}; its peak is {peak:g}"
            )
        return given
    found = record.meta.get("clip level") or clip_level(record.signal)
    if found is None:
        raise ValueError(
            f"no clipping is seen in {record.source}; if there is some, give its level, --level 0.5"
        )
    share = (record.signal.abs() >= found).float().mean().item()
    words = f"clip level {found:.4g} read from the histogram; {share:.2%} of the samples"
    warnings.warn(f"{record.source}: {words}", RestoreWarning, stacklevel=2)
    return found


declip = Recipe(solve_declip, pieces=in_pieces)
