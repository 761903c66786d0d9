"""A prior in a folder: prior.json (network, units, card) and model.safetensors."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from ..atomic import atomic_path, write_text
from ..errors import WeightsError
from ..priors.prior import COLOURED, NOISE_MAPS, Prior, as_measured
from .prior_schema import CONFIG, FORMAT, WEIGHTS, read_description
from .unets.kinds import KINDS, kind_of, preconditioned
from .weights import load_network

OFFERS = {  # by what a network is told of the noise
    "scalar": frozenset(),
    "map": frozenset({NOISE_MAPS}),
    "bands": frozenset({NOISE_MAPS, COLOURED}),
}


class Kind(NamedTuple):
    """How a folder's network is built from its description, and what prior it then is."""

    build: Callable[[Mapping[str, Any]], nn.Module]  # of the description's `network`
    prior: Callable[..., Prior]  # (folder, description, network, **conditions)


def save_prior(
    folder: str | Path,
    network: nn.Module,
    *,
    mean: float,
    sigma_data: float,
    sigma_min: float,
    sigma_max: float,
    errors: Mapping[float, float],
    card: Mapping[str, Any],
) -> None:
    """Write a trained network; errors: sigma -> mean square error of the denoiser there."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    digest = save_weights(folder / WEIGHTS, network)
    config = {
        "format": FORMAT,
        "network": {"kind": kind_of(network), **network.config},
        "preconditioning": {"kind": "edm", "mean": mean, "sigma_data": sigma_data},
        "sigma_min": sigma_min,
        "sigma_max": sigma_max,
        "errors": shortened(errors),
        "sha256": digest,
        "card": dict(card),
    }
    write_text(folder / CONFIG, json.dumps(config, indent=2) + "\n")


def save_weights(path: Path, network: nn.Module) -> str:
    """Write a network's weights as float16, safetensors; their sha256."""
    from safetensors.torch import save_file

    weights = {
        name: value.detach().to("cpu", torch.float16).contiguous()
        for name, value in network.state_dict().items()
    }
    with atomic_path(path) as partial:
        save_file(weights, partial)
        return hashlib.sha256(partial.read_bytes()).hexdigest()


def shortened(errors: Mapping[float, float]) -> dict[str, float]:
    """Errors by noise level as a description holds them: six digits each."""
    return {f"{sigma:.6g}": float(f"{error:.6g}") for sigma, error in errors.items()}


def load_prior_folder(folder: str | Path, device: str = "cpu", **conditions: Any) -> Prior:
    """The prior of a folder that save_prior or the importer wrote.

    The description, then the header of the weights are held to what they must be before memory is
    taken. conditions: what an imported network wants to be told, such as label=207. WeightsError
    in one line where anything is not whole.
    """
    folder = Path(folder)
    described = read_description(folder)
    kind = _kind(described["network"]["kind"])
    network = load_network(
        folder / WEIGHTS, lambda: kind.build(described["network"]), described["sha256"]
    )
    prior = kind.prior(folder, described, network, **conditions).to(device)
    return replace(prior, folder=folder)


def _kind(name: str) -> Kind:
    if name in KINDS:
        return Kind(_own_network, _own_prior)
    from .importing import loading

    return Kind(loading.build, loading.prior)


def _own_network(described: Mapping[str, Any]) -> nn.Module:
    shape = {name: value for name, value in described.items() if name not in ("kind", "channels")}
    return KINDS[described["kind"]](described["channels"], **shape)


def _own_prior(
    folder: Path, described: Mapping[str, Any], network: nn.Module, **conditions: Any
) -> Prior:
    if conditions:
        raise WeightsError(f"{folder} is not conditional: it takes no {', '.join(conditions)}")
    edm, shape = described["preconditioning"], described["network"]
    channels, dims = shape["channels"], shape["dims"]
    return Prior(
        preconditioned(network, sigma_data=edm["sigma_data"], mean=edm["mean"]),
        (channels, *(None,) * dims),
        sigma_min=described["sigma_min"],
        sigma_max=described["sigma_max"],
        mean=edm["mean"],
        variance=as_measured(described["errors"]),
        card={**described["card"], "sha256": described["sha256"]},
        network=network,
        footprint=_footprint(shape["widths"], shape["blocks"], channels, dims),
        offers=OFFERS[network.told],
    )


def _footprint(widths: Sequence[int], blocks: int, channels: int, dims: int) -> float:
    """Bytes per value of the signal that one call with gradient keeps: float32 activations.

    Each residual block keeps its hidden and its outgoing activation; a level of twice the width
    has 2^dims times fewer samples.
    """
    levels = sum(width / 2 ** (dims * depth) for depth, width in enumerate(widths))
    return 4.0 * levels * (2 * blocks * 2 + 4) / channels
