"""Names in place of objects: samplers, priors and operators, looked up among all plugins."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import WeightsError
from ..measurement.measurement import Measurement
from ..measurement.operator import Operator
from ..plugins.discovery import catalog
from ..priors.combined.tiled import tiled
from ..priors.prior import Prior
from ..samplers.base import Sampler, Step
from . import loop
from .auto import choose_sampler
from .devices import usable
from .posterior import Posterior


class Chosen(NamedTuple):
    """A sampler, the name it goes by, and why "auto" took it; "" where it was asked for."""

    name: str
    sampler: Sampler
    reason: str = ""


def load_sampler(name: str | Sampler) -> Sampler:
    """A registered sampler; a function is itself. KeyError for an unknown name."""
    return catalog().load("samplers", name) if isinstance(name, str) else name


def sampler_for(
    asked: str | Sampler, measurement: Measurement, prior: Prior, device: str = "cpu"
) -> Chosen:
    """The sampler of a name, of "auto" the one that suits the problem; a function is itself.

    device: where the prior will run, "auto" decided. KeyError for an unknown name.
    """
    if asked == "auto":
        name, reason = choose_sampler(measurement, prior, device)
        return Chosen(name, load_sampler(name), f"{name}: {reason}")
    sampler = load_sampler(asked)
    return Chosen(asked if isinstance(asked, str) else sampler.__name__, sampler)


def load_prior(name: str | Path, device: str = "cpu") -> Prior:
    """A registered prior, the one in a folder that `restore train` wrote, or a BF-CNN checkpoint.

    A registered name always means what is registered; a folder or file that is called the same is
    "./name", or a Path. WeightsError for a path to no prior, KeyError for an unknown name.
    """
    path, named = Path(name), isinstance(name, str) and not _with_separator(name)
    if named and name in catalog().registry("priors"):
        return catalog().load("priors", name)().to(device)
    if path.is_dir():
        from ..networks.folder import load_prior_folder

        return tiled(load_prior_folder(path, device))
    if path.is_file():
        from ..networks.bf_cnn import load_bf_cnn

        return tiled(load_bf_cnn(path, device))
    if not named:
        raise WeightsError(f"there is no prior folder {name}")
    return catalog().load("priors", name)().to(device)  # with "did you mean"


def load_operator(name: str, *arguments: Any, **options: Any) -> Operator:
    """A registered operator, made with these arguments."""
    return catalog().load("operators", name)(*arguments, **options)


def sample(
    measurement: Measurement,
    prior: Prior,
    sampler: str | Sampler,
    *,
    device: str = "cpu",
    **arguments: Any,
) -> Posterior:
    """Samples of p(x | y) by a sampler or its name; arguments as in restore.sampling.loop.sample.

    "auto" picks one by the problem's class; the posterior's provenance says why, as "chosen".
    """
    device = usable(device)
    chosen = sampler_for(sampler, measurement, prior, device)
    posterior = loop.sample(
        measurement, prior, chosen.sampler, device=device, **_with_functions(arguments)
    )
    if not chosen.reason:
        return posterior
    return replace(posterior, provenance={**posterior.provenance, "chosen": chosen.reason})


def iterate(
    measurement: Measurement,
    prior: Prior,
    sampler: str | Sampler,
    *,
    device: str = "cpu",
    **arguments: Any,
) -> Iterator[Step]:
    """The bare loop over Steps; arguments as in restore.sampling.loop.iterate."""
    device = usable(device)
    chosen = sampler_for(sampler, measurement, prior, device)
    return loop.iterate(
        measurement, prior, chosen.sampler, device=device, **_with_functions(arguments)
    )


def _with_functions(arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments with an integrator in place of its name."""
    integrator = arguments.get("integrator")
    if isinstance(integrator, str):
        return {**arguments, "integrator": load_sampler(integrator)}
    return arguments


def _with_separator(name: str) -> bool:
    return "/" in name or os.sep in name
