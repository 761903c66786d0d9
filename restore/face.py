"""The Python face: names in place of objects, looked up among all installed plugins."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from . import sampling
from .errors import WeightsError
from .measurement import Measurement
from .operator import Operator
from .plugins import catalog
from .posterior import Posterior
from .prior import Prior
from .samplers.base import Sampler, Step


def load_sampler(name: str | Sampler) -> Sampler:
    """A registered sampler; a function is itself. KeyError for an unknown name."""
    return catalog().load("samplers", name) if isinstance(name, str) else name


def load_prior(name: str | Path, device: str = "cpu") -> Prior:
    """A registered prior, or the one in a folder that `restore train` wrote."""
    if Path(name).is_dir():
        from .networks.folder import load_prior_folder
        from .priors.tiled import tiled

        return tiled(load_prior_folder(name, device))
    if "/" in str(name) or os.sep in str(name):
        raise WeightsError(f"there is no prior folder {name}")
    return catalog().load("priors", str(name))().to(device)


def load_operator(name: str, *arguments: Any, **options: Any) -> Operator:
    """A registered operator, made with these arguments."""
    return catalog().load("operators", name)(*arguments, **options)


def sample(
    measurement: Measurement, prior: Prior, sampler: str | Sampler, **arguments: Any
) -> Posterior:
    """Samples of p(x | y) by a sampler or its name; arguments as in restore.sampling.sample."""
    return sampling.sample(measurement, prior, _sampler(sampler, arguments), **arguments)


def iterate(
    measurement: Measurement, prior: Prior, sampler: str | Sampler, **arguments: Any
) -> Iterator[Step]:
    """The bare loop over Steps; arguments as in restore.sampling.iterate."""
    return sampling.iterate(measurement, prior, _sampler(sampler, arguments), **arguments)


def _sampler(sampler: str | Sampler, arguments: dict[str, Any]) -> Sampler:
    integrator = arguments.get("integrator")
    if isinstance(integrator, str):
        arguments["integrator"] = load_sampler(integrator)
    return load_sampler(sampler)
