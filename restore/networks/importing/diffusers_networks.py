"""Networks of the diffusers package: built from their configuration, called as ours are.

The package is optional, imported when such a prior is used, and told to stay off the network.
"""

import os
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ...errors import UnavailableError

PIXELS, TEXT = "UNet2DModel", "UNet2DConditionModel"
AUTOENCODERS = ("AutoencoderKL", "AutoencoderTiny", "VQModel")
KNOWN = (PIXELS, TEXT, *AUTOENCODERS)
TOKENS = 77  # of the text encoders that latent diffusion goes with
OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_DISABLE_TELEMETRY")


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


def call(
    network: nn.Module,
    described: Mapping[str, Any],
    *,
    label: int | Tensor | None = None,
    context: Tensor | None = None,
) -> Callable[[Tensor, Tensor], Tensor]:
    """f(x, time), bound to what the network is told: a class, or a text's embedding.

    label: one for all or (batch,). context: (1 or batch, tokens, width), what a text encoder gives.
    ValueError where the network wants one that is not given.
    """
    classes = described["configuration"].get("num_class_embeds")
    if (label is None) != (not classes):
        given = "none was given" if label is None else "one was given"
        raise ValueError(f"a label is for a network of classes, and needed there; {given}")
    told: dict[str, Tensor | None] = {}
    if described["class"] == TEXT:
        if context is None:
            raise ValueError(
                "its network is told a text: give the text encoder's output,"
                " restore.load_prior(NAME, context=EMBEDDING)"
            )
        told["encoder_hidden_states"] = context

    def f(x: Tensor, time: Tensor) -> Tensor:
        bound = {
            name: value.to(x).expand(len(x), *value.shape[1:])
            for name, value in told.items()
            if value is not None
        }
        if label is not None:
            bound["class_labels"] = torch.as_tensor(label, device=x.device).expand(len(x))
        return network(x, time, **bound).sample

    return f


def trial_conditions(described: Mapping[str, Any]) -> dict[str, Any]:
    """What a conditional network is told in its trial: the first class, an empty embedding."""
    configuration = described["configuration"]
    found: dict[str, Any] = {"label": 0} if configuration.get("num_class_embeds") else {}
    if described["class"] == TEXT:
        width = configuration.get("cross_attention_dim") or 1280
        found["context"] = torch.zeros(1, TOKENS, width)
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
