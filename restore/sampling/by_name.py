"""The Python face: names in place of objects, looked up among all installed plugins."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ..errors import WeightsError
from ..measurement.measurement import Measurement
from ..measurement.operator import Operator
from ..plugins.discovery import catalog
from ..priors.combined.tiled import tiled
from ..priors.prior import Prior
from ..samplers.base import Sampler, Step
from . import loop
from .auto import choose_sampler
from .posterior import Posterior


def load_sampler(name: str | Sampler) -> Sampler:
    """A registered sampler; a function is itself. KeyError for an unknown name."""
    return catalog().load("samplers", name) if isinstance(name, str) else name


def load_prior(name: str | Path, device: str = "cpu") -> Prior:
    """A registered prior, the one in a folder that `restore train` wrote, or a BF-CNN checkpoint.

    WeightsError for a file or folder that is none.
    """
    if Path(name).is_dir():
        from ..networks.folder import load_prior_folder

        return tiled(load_prior_folder(name, device))
    if Path(name).is_file():
        from ..networks.bf_cnn import load_bf_cnn

        return tiled(load_bf_cnn(name, device))
    if "/" in str(name) or os.sep in str(name):
        raise WeightsError(f"there is no prior folder {name}")
    return catalog().load("priors", str(name))().to(device)


def load_operator(name: str, *arguments: Any, **options: Any) -> Operator:
    """A registered operator, made with these arguments."""
    return catalog().load("operators", name)(*arguments, **options)


def sample(
    measurement: Measurement, prior: Prior, sampler: str | Sampler, **arguments: Any
) -> Posterior:
    """Samples of p(x | y) by a sampler or its name; arguments as in restore.sampling.loop.sample.

    "auto" picks one by the problem's class; the posterior's provenance says why, as "chosen".
    """
    if sampler != "auto":
        return loop.sample(measurement, prior, _sampler(sampler, arguments), **arguments)
    name, reason = choose_sampler(measurement, prior, _device(arguments))
    posterior = sample(measurement, prior, name, **arguments)
    return replace(posterior, provenance={**posterior.provenance, "chosen": f"{name}: {reason}"})


def iterate(
    measurement: Measurement, prior: Prior, sampler: str | Sampler, **arguments: Any
) -> Iterator[Step]:
    """The bare loop over Steps; arguments as in restore.sampling.loop.iterate."""
    if sampler == "auto":
        sampler = choose_sampler(measurement, prior, _device(arguments)).name
    return loop.iterate(measurement, prior, _sampler(sampler, arguments), **arguments)


def _device(arguments: dict[str, Any]) -> str:
    device = arguments.get("device", "cpu")
    return ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device


def _sampler(sampler: str | Sampler, arguments: dict[str, Any]) -> Sampler:
    integrator = arguments.get("integrator")
    if isinstance(integrator, str):
        arguments["integrator"] = load_sampler(integrator)
    return load_sampler(sampler)
