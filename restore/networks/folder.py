"""A prior in a folder: prior.json (network, units, card) and model.safetensors (float16)."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..atomic import atomic_path, write_text
from ..errors import WeightsError
from ..priors.prior import NOISE_MAPS, Prior, tabulated
from .kinds import KINDS, kind_of, preconditioned

CONFIG, WEIGHTS = "prior.json", "model.safetensors"
FORMAT = 1


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
    from safetensors.torch import save_file

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    weights = {
        name: value.detach().to("cpu", torch.float16).contiguous()
        for name, value in network.state_dict().items()
    }
    with atomic_path(folder / WEIGHTS) as partial:
        save_file(weights, partial)
        digest = hashlib.sha256(partial.read_bytes()).hexdigest()
    config = {
        "format": FORMAT,
        "network": {"kind": kind_of(network), **network.config},
        "preconditioning": {"kind": "edm", "mean": mean, "sigma_data": sigma_data},
        "sigma_min": sigma_min,
        "sigma_max": sigma_max,
        "errors": {f"{sigma:.6g}": float(f"{error:.6g}") for sigma, error in errors.items()},
        "sha256": digest,
        "card": dict(card),
    }
    write_text(folder / CONFIG, json.dumps(config, indent=2) + "\n")


def load_prior_folder(folder: str | Path, device: str = "cpu") -> Prior:
    """The prior of a folder written by save_prior. WeightsError where it is not whole."""
    folder = Path(folder)
    config = _config(folder)
    network = _network(folder, config).to(device)
    edm = config["preconditioning"]
    sigmas = sorted(float(sigma) for sigma in config["errors"])
    errors = {float(sigma): error for sigma, error in config["errors"].items()}
    channels, dims = config["network"]["channels"], config["network"]["dims"]
    return Prior(
        preconditioned(network, sigma_data=edm["sigma_data"], mean=edm["mean"]),
        (channels, *(None,) * dims),
        sigma_min=config["sigma_min"],
        sigma_max=config["sigma_max"],
        mean=edm["mean"],
        variance=tabulated(sigmas, [errors[sigma] for sigma in sigmas]),
        card={**config["card"], "sha256": config["sha256"]},
        network=network,
        footprint=_footprint(
            config["network"]["widths"], config["network"]["blocks"], channels, dims
        ),
        offers=frozenset({NOISE_MAPS}) if network.told_every_value else frozenset(),
    )


def _config(folder: Path) -> dict[str, Any]:
    path = folder / CONFIG
    if not path.exists():
        raise WeightsError(f"{folder} holds no prior: there is no {CONFIG} in it")
    try:
        config = json.loads(path.read_text())
        format = config["format"]
    except (ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"{path} is not a prior's description: {error}") from None
    if format != FORMAT:
        raise WeightsError(f"{path} is of format {format}, this version reads {FORMAT}")
    return config


def _network(folder: Path, config: Mapping[str, Any]) -> nn.Module:
    from safetensors.torch import load

    path = folder / WEIGHTS
    if not path.exists():
        raise WeightsError(f"the weights {path} are missing")
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != config["sha256"]:
        raise WeightsError(f"the checksum of {path} is wrong: the file is damaged or another's")
    shape = dict(config["network"])
    kind = shape.pop("kind")
    if kind not in KINDS:
        known = ", ".join(KINDS)
        raise WeightsError(f"{folder}: no network is called '{kind}', this version knows {known}")
    network = KINDS[kind](shape.pop("channels"), **shape)
    network.load_state_dict({name: value.float() for name, value in load(content).items()})
    network.requires_grad_(False).eval()
    layout = torch.channels_last if network.dims == 2 else torch.preserve_format
    return network.to(memory_format=layout)


def _footprint(widths: Sequence[int], blocks: int, channels: int, dims: int) -> float:
    """Bytes per value of the signal that one call with gradient keeps: float32 activations.

    Each residual block keeps its hidden and its outgoing activation; a level of twice the width
    has 2^dims times fewer samples.
    """
    levels = sum(width / 2 ** (dims * depth) for depth, width in enumerate(widths))
    return 4.0 * levels * (2 * blocks * 2 + 4) / channels
