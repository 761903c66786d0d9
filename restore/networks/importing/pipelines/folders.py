"""Folders of the diffusers package: a pipeline with its parts, or a network alone.

Covered: UNet2DModel on pixels; UNet2DModel or UNet2DConditionModel on latents, with AutoencoderKL,
AutoencoderTiny or VQModel, and CLIP's text encoder; the transformers of SD3, FLUX and DiT.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ....errors import WeightsError
from ....untrusted.plain_files import sha256
from ....untrusted.schema import shown
from ....untrusted.strict_json import read_json
from ...prior_schema import FORMAT, WEIGHTS
from ...weights import at_most, differences
from ..converted import AUTOENCODER, Converted, card
from ..parameterised import range_of
from ..reading.checkpoint import read_checkpoint
from ..sources import PIPELINE
from .networks import AUTOENCODERS, DENOISERS, POOLED, TEXT, build, channels_of, latent_of
from .schedulers import parameterisation
from .texts import add_text, leave_out

STEM = "diffusion_pytorch_model"
NETWORKS = ("unet_ema", "unet", "transformer")  # the averaged one first
CODECS = ("vae", "vqvae", "movq")
OLD = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}  # before 0.17
SLIPS = (ValueError, TypeError, KeyError, IndexError, RuntimeError, AttributeError, WeightsError,
         ZeroDivisionError, MemoryError, NotImplementedError)  # fmt: skip
PART = re.compile(r"[A-Za-z0-9_.-]+\.safetensors")


def converted(folder: Path, told: Mapping[str, Any], tokenizer: Path | None = None) -> Converted:
    """A folder as a prior. WeightsError in one line for what is not whole, or not covered.

    tokenizer: a folder of CLIP's that goes before the pipeline's own.
    """
    if (folder / PIPELINE).exists():
        parts = read_json(folder / PIPELINE, "a pipeline of diffusers")
        network = next((folder / n for n in NETWORKS if (folder / n).is_dir()), None)
        codec = next((folder / n for n in CODECS if n in parts and (folder / n).is_dir()), None)
        scheduler = folder / "scheduler" / "scheduler_config.json"
        if network is None:
            raise WeightsError(f"{folder} holds no network: there is no unet folder in it")
    else:
        network, codec, scheduler = folder, None, folder / "scheduler_config.json"
    described = _described(network, DENOISERS)
    state = _state(network, described)
    facts = dict(told)
    if not told.get("denoiser"):
        if not scheduler.exists():
            raise WeightsError(
                f"{folder} has no scheduler_config.json, which tells what its network predicts;"
                " describe it (--describe FILE.yaml, with denoiser: ...)"
            )
        facts = {**parameterisation(scheduler, read_json(scheduler, "a scheduler")), **facts}
    made = Converted(_description(folder, network, described, facts), {WEIGHTS: state})
    made.notes.append(f"{folder} is {described['class']} of diffusers, {network.name} taken")
    if codec is not None:
        _add_codec(made, codec, told)
    if described["class"] == TEXT:
        _add_text(made, folder, tokenizer)
    if described["class"] in POOLED:
        leave_out(made, "its text encoders, T5 among them, are not read")
    return made


def _add_text(made: Converted, folder: Path, tokenizer: Path | None) -> None:
    """What turns a prompt into what the network is told, where it lies in the pipeline."""
    words = tokenizer or folder / "tokenizer"
    if not (folder / "text_encoder").is_dir() or not words.is_dir():
        leave_out(made, "no text_encoder and tokenizer lie in its folder")
    else:
        add_text(made, folder / "text_encoder", words)


def _described(folder: Path, expected: tuple[str, ...]) -> dict[str, Any]:
    """The `network` of a description, by a config.json."""
    path = folder / "config.json"
    found = read_json(path, "a configuration of diffusers")
    name = found.get("_class_name")
    if name not in expected:
        known = ", ".join(expected)
        raise WeightsError(f"{path} is of {shown(name)}, which is not covered; covered: {known}")
    kept = {key: value for key, value in found.items() if not key.startswith("_")}
    return {"kind": "diffusers", "class": name, "configuration": kept}


def _state(folder: Path, described: Mapping[str, Any]) -> dict[str, Tensor]:
    """The weights of a part, by the names its class has today."""
    files = _files(folder)
    state: dict[str, Tensor] = {}
    for file in files:
        state |= read_checkpoint(file).sets[0].weights
    try:
        with torch.device("meta"), at_most(len(state)):
            wanted = {n: tuple(v.shape) for n, v in build(described).state_dict().items()}
    except SLIPS as error:
        words = " ".join(str(error).split())[:160]
        raise WeightsError(f"{folder / 'config.json'} describes no network: {words}") from None
    state = {name if name in wanted else _renamed(name): value for name, value in state.items()}
    state = {
        name: value.reshape(wanted[name]) if _flattened(value, wanted.get(name)) else value
        for name, value in state.items()
    }
    wrong = differences(wanted, {name: tuple(value.shape) for name, value in state.items()})
    if wrong:
        raise WeightsError(f"{files[0]} does not fit its config.json: {wrong}")
    return state


def _renamed(name: str) -> str:
    """An attention layer's name of old."""
    before, _, last = name.rpartition(".")
    room, _, layer = before.rpartition(".")
    return f"{room}.{OLD[layer]}.{last}" if layer in OLD else name


def _flattened(value: Tensor, wanted: tuple[int, ...] | None) -> bool:
    """Whether it is a 1x1 convolution that is a matrix now."""
    return wanted is not None and value.ndim == 4 and (*wanted, 1, 1) == tuple(value.shape)


def _files(folder: Path) -> list[Path]:
    """The file of weights, or its pieces by their index; safetensors before others."""
    index = folder / f"{STEM}.safetensors.index.json"
    if (folder / f"{STEM}.safetensors").exists():
        return [folder / f"{STEM}.safetensors"]
    if index.exists():
        pieces = read_json(index, "an index of weights").get("weight_map")
        names = sorted({str(name) for name in pieces.values()}) if isinstance(pieces, dict) else []
        if not names or not all(PART.fullmatch(name) for name in names):
            raise WeightsError(f"{index} names no files beside it")
        return [folder / name for name in names]
    for pattern in ("*.safetensors", "*.bin"):
        found = [one for one in sorted(folder.glob(pattern)) if "non_ema" not in one.name]
        if len(found) == 1:
            return found
        if found:
            listed = ", ".join(one.name for one in found[:5])
            raise WeightsError(f"{folder} holds several weights: {listed}; keep one")
    raise WeightsError(f"{folder} holds no weights: there is no {STEM}.safetensors in it")


def _description(
    folder: Path, network: Path, described: dict[str, Any], facts: Mapping[str, Any]
) -> dict[str, Any]:
    channels, given = channels_of(described)
    if given not in (channels, 2 * channels):
        raise WeightsError(
            f"{network} takes {channels} channels and gives {given}: it is no prior of what it"
            " takes"
        )
    size = facts.get("size", described["configuration"].get("sample_size"))
    size = size if isinstance(size, list) or size is None else [size, size]
    try:
        ends = range_of(facts["denoiser"]) or (0.01, 1.0)
    except ValueError as error:
        raise WeightsError(f"{folder}: {error}") from None
    unit = [0.0, 1.0] if facts["denoiser"]["kind"] == "score" else [-1.0, 1.0]
    return {
        "format": FORMAT,
        "network": described,
        "channels": channels,
        "native_size": size,
        "data_range": list(facts.get("data_range", unit)),
        "parameterisation": facts["denoiser"],
        "sigma_min": facts.get("sigma_min", ends[0]),
        "sigma_max": facts.get("sigma_max", ends[1]),
        "card": card(folder, facts, f"{described['class']} of diffusers"),
        "source": {"file": folder.name, "sha256": sha256(_files(network)[0]),
                   "weights": network.name, "averaged": network.name.endswith("_ema"),
                   "salvaged": False},
    }  # fmt: skip


def _add_codec(made: Converted, folder: Path, told: Mapping[str, Any]) -> None:
    """The pipeline's autoencoder, beside the prior of its latents."""
    described = _described(folder, AUTOENCODERS)
    latents = described["configuration"].get("latent_channels", made.description["channels"])
    if latents != made.description["channels"]:
        raise WeightsError(
            f"{folder} has latents of {latents} channels, the network takes"
            f" {made.description['channels']}"
        )
    made.weights[AUTOENCODER] = _state(folder, described)
    beside = {"network": described, "file": AUTOENCODER, "sha256": ""}
    latent = {**latent_of(described), "autoencoder": beside}
    made.description["latent"] = {**latent, **told.get("latent", {})}
    made.description["data_range"] = None
    made.notes.append(f"{folder} is {described['class']} of diffusers")
