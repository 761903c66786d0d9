"""Networks of the diffusers package: built from their configuration, called as ours are.

The package is optional, imported when such a prior is used, and told to stay off the network.
"""

import os
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ....errors import UnavailableError
from ...published.small_denoisers import padded
from .flux import CELL, velocity

PIXELS, TEXT = "UNet2DModel", "UNet2DConditionModel"
DIT, SD3, FLUX = "DiTTransformer2DModel", "SD3Transformer2DModel", "FluxTransformer2DModel"
DENOISERS = (PIXELS, TEXT, DIT, SD3, FLUX)
AUTOENCODERS = ("AutoencoderKL", "AutoencoderTiny", "VQModel")
KNOWN = (*DENOISERS, *AUTOENCODERS)
POOLED = (SD3, FLUX)  # are told a text's embedding, and that of its whole
# where a configuration is silent, the classes' own
DEFAULT_CHANNELS = {PIXELS: 3, TEXT: 4, DIT: 4, SD3: 16, FLUX: 64}
DEFAULT_WIDTHS = {TEXT: 1280, SD3: 4096, FLUX: 4096}
DEFAULT_POOLED = {SD3: 2048, FLUX: 768}
OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_DISABLE_TELEMETRY")
TOKENS = 77  # of the text encoders that latent diffusion goes with


def package() -> Any:
    """The diffusers package. UnavailableError where it is not installed."""
    for flag in OFFLINE:
        os.environ.setdefault(flag, "1")
    try:
        import diffusers
    except ImportError as error:
        words = "diffusers is not installed" if error.name == "diffusers" else str(error)
        raise UnavailableError(
            f"this prior needs the package diffusers: pip install restore-toolbox[diffusers]"
            f" ({words})"
        ) from None
    return diffusers


def build(described: Mapping[str, Any]) -> nn.Module:
    """The network of a class and its configuration, with weights of no account."""
    if described["class"] not in KNOWN:
        raise ValueError(f"no network of diffusers is known as '{described['class']}'")
    return getattr(package(), described["class"]).from_config(dict(described["configuration"]))


def channels_of(described: Mapping[str, Any]) -> tuple[int, int]:
    """Channels that the network takes and gives; FLUX packs four latent pixels into a token."""
    configuration = described["configuration"]
    default, cell = (
        DEFAULT_CHANNELS[described["class"]],
        CELL**2 if described["class"] == FLUX else 1,
    )
    taken = configuration.get("in_channels") or default
    return taken // cell, (configuration.get("out_channels") or taken) // cell


def classes_of(described: Mapping[str, Any]) -> int:
    """How many classes it can be told; none for most. DiT has one more, for no class at all."""
    configuration = described["configuration"]
    if described["class"] == DIT:
        return configuration.get("num_embeds_ada_norm") or 1000
    return configuration.get("num_class_embeds") or 0


def call(
    network: nn.Module,
    described: Mapping[str, Any],
    *,
    label: int | Tensor | None = None,
    context: Tensor | None = None,
    pooled: Tensor | None = None,
    guidance: float | None = None,
) -> Callable[[Tensor, Tensor], Tensor]:
    """f(x, time), bound to what the network is told: a class, or a text's embedding.

    label: one for all or (batch,). context: (1 or batch, tokens, width), what a text encoder gives;
    pooled: (1 or batch, width), of the text as a whole. guidance: of a FLUX that was distilled with
    it. ValueError where the network wants one that is not given.
    """
    name = described["class"]
    given = {"label": label, "context": context, "pooled": pooled, "guidance": guidance}
    _refuse_other_conditions(described, {n for n, value in given.items() if value is not None})
    told = {"encoder_hidden_states": context, "pooled_projections": pooled}
    patch = CELL if name == FLUX else described["configuration"].get("patch_size") or 1
    patch = patch if name in (DIT, *POOLED) else 1

    def f(x: Tensor, time: Tensor) -> Tensor:
        bound = {
            name: value.to(x).expand(len(x), *value.shape[1:])
            for name, value in told.items()
            if value is not None
        }
        if label is not None:
            bound["class_labels"] = torch.as_tensor(label, device=x.device).expand(len(x))
        if guidance is not None:
            bound["guidance"] = x.new_full((len(x),), guidance)
        height, width = x.shape[-2:]
        x = padded(x, patch)
        if name == FLUX:
            return velocity(network, x, time, **bound)[..., :height, :width]
        return network(x, timestep=time, **bound).sample[..., :height, :width]

    return f


def _refuse_other_conditions(described: Mapping[str, Any], given: set[str]) -> None:
    """ValueError unless it is told what it was trained to be told, and nothing else."""
    name, configuration = described["class"], described["configuration"]
    if ("label" in given) != bool(classes_of(described)):
        said = "one was given" if "label" in given else "none was given"
        raise ValueError(f"a label is for a network of classes, and needed there; {said}")
    texts = {"context", "pooled"} if name in POOLED else {"context"} if name == TEXT else set()
    distilled = {"guidance"} if name == FLUX and configuration.get("guidance_embeds") else set()
    if texts - given:
        words = ", ".join(f"{one}=EMBEDDING" for one in sorted(texts))
        raise ValueError(
            "its network is told a text, and has no text encoder: give what one gives,"
            f" restore.load_prior(NAME, {words})"
        )
    if distilled - given:
        raise ValueError("it was distilled with guidance: say which, 3.5 is its authors'")
    if extra := given - texts - distilled - {"label"}:
        raise ValueError(f"its network is told no {', '.join(sorted(extra))}")


def trial_conditions(described: Mapping[str, Any]) -> dict[str, Any]:
    """What a conditional network is told in its trial: the first class, an empty embedding."""
    name, configuration = described["class"], described["configuration"]
    found: dict[str, Any] = {"label": 0} if classes_of(described) else {}
    key = "joint_attention_dim" if name in POOLED else "cross_attention_dim"
    if name in (TEXT, *POOLED):
        found["context"] = torch.zeros(1, TOKENS, configuration.get(key) or DEFAULT_WIDTHS[name])
    if name in POOLED:
        width = configuration.get("pooled_projection_dim") or DEFAULT_POOLED[name]
        found["pooled"] = torch.zeros(1, width)
    if configuration.get("guidance_embeds"):
        found["guidance"] = 3.5
    return found


def halves(codec: nn.Module, described: Mapping[str, Any]) -> tuple[Callable, Callable]:
    """Encoder and decoder of pictures in 0 to 1; a variational encoder gives its mean."""

    def encode(x: Tensor) -> Tensor:
        found = codec.encode(2 * x - 1)
        return found.latents if hasattr(found, "latents") else found.latent_dist.mean

    def decode(z: Tensor) -> Tensor:
        return (codec.decode(z).sample + 1) / 2

    return encode, decode


def latent_of(described: Mapping[str, Any]) -> dict[str, Any]:
    """factor, scale and shift of an autoencoder, by its configuration."""
    configuration = described["configuration"]
    widths = configuration.get("encoder_block_out_channels") or configuration["block_out_channels"]
    return {
        "factor": 2 ** (len(widths) - 1),
        "scale": configuration.get("scaling_factor") or 1.0,
        "shift": configuration.get("shift_factor") or 0.0,
    }
