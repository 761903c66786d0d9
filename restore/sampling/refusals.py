"""What a run refuses before it begins, by name: parts, counts and options that are none."""

import inspect
from collections.abc import Mapping
from typing import Any

from ..measurement.checks import shown, whole_number
from ..measurement.measurement import Measurement
from ..plugins.options import options_of
from ..plugins.registry import unknown
from ..priors.prior import Prior
from ..samplers.base import Contract, Sampler


def refuse_other_parts(measurement: object, prior: object) -> None:
    """TypeError for what is no measurement, or no prior."""
    if not isinstance(measurement, Measurement):
        raise TypeError(f"need a restore.Measurement to sample from, got {shown(measurement)}")
    if not isinstance(prior, Prior):
        raise TypeError(
            f"the prior must be a restore.Prior, as restore.load_prior gives, got {shown(prior)}"
        )


def checked_counts(
    chains: int, seed: int, batch_size: int | None = None
) -> tuple[int, int, int | None]:
    """The three as ints. TypeError for what is no whole number, ValueError for too few."""
    batch_size = None if batch_size is None else whole_number(batch_size, "batch_size", 1)
    return whole_number(chains, "chains", 1), whole_number(seed, "seed"), batch_size


def refuse_unfit_options(name: str, sampler: Sampler, given: Mapping[str, Any]) -> None:
    """TypeError, or ValueError for a choice, where an option is not the sampler's, or not fit."""
    if not callable(sampler):
        raise TypeError(f"the sampler must be a name or a function, got {shown(sampler)}")
    parameters = inspect.signature(sampler).parameters
    anything = any(one.kind is one.VAR_KEYWORD for one in parameters.values())
    options = options_of(sampler)
    for option, value in given.items():
        if option in options:
            options[option].check(value, f"{name}: {option}")
        elif option not in parameters and not anything:
            raise TypeError(unknown(f"option of {name}", option, options))


def refuse_unoffered(name: str, contract: Contract, prior: Prior) -> None:
    """TypeError where the sampler asks something of the prior that it does not offer."""
    missing = [asked for asked in contract.asks if asked not in prior.offers]
    which = prior.card.get("name", "this prior")
    if contract.regrids and not prior.on_any_grid:
        raise TypeError(f"{name} needs a prior of signals on any grid; {which} is of {prior.shape}")
    if missing:
        offered = ", ".join(sorted(prior.offers)) or "nothing beyond its denoiser"
        raise TypeError(f"{name} needs {', '.join(missing)}; {which} offers {offered}")
