"""TAESD and its kin, tiny autoencoders of the latents of large models; madebyollin/taesd (MIT).

An encoder and a decoder, each a sequence with names `N.weight` and `N.conv.M.weight`. They speak
the large model's latents as its denoiser sees them (scaled); pictures lie in 0 to 1. The checkpoint
is both: names under "...encoder." and "...decoder.", as the stems of two files or one file's parts
(there with "layers." and, in the decoder, numbers one less).
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from .family import Autoencoder, Config, Family, Shapes, Tensors, whole

BOUND = 3.0  # latents are squeezed smoothly into -3 to 3 before they are decoded
NORM_GROUPS = 4


class Squeeze(nn.Module):
    """3 tanh(x / 3)."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(x / BOUND) * BOUND


class Block(nn.Module):
    """relu(x + conv(relu(conv(relu(conv(x)))))).

    pooled: a normed bottleneck of 1x1 convolutions is added to x first.
    """

    def __init__(self, width: int, pooled: bool = False):
        super().__init__()
        layers = [_conv(width, width), nn.ReLU(), _conv(width, width), nn.ReLU()]
        self.conv = nn.Sequential(*layers, _conv(width, width))
        self.pool = None
        if pooled:
            self.pool = nn.Sequential(
                nn.Conv2d(width, 4 * width, 1, bias=False),
                nn.GroupNorm(NORM_GROUPS, 4 * width),
                nn.ReLU(),
                nn.Conv2d(4 * width, width, 1, bias=False),
            )

    def forward(self, x: Tensor) -> Tensor:
        if self.pool is not None:
            x = x + self.pool(x)
        return torch.relu(self.conv(x) + x)


class Tiny(nn.Module):
    """encoder: (batch, 3, h, w) -> (batch, latents, h / factor, w / factor); decoder: back.

    widths: of the levels, from the finest; pooled: the blocks of the coarsest have bottlenecks.
    deep: two more halvings before the first block (down by 32 in all, else by 8).
    """

    def __init__(self, latents: int, width: int, *, pooled: bool, deep: bool, widths: list[int]):
        super().__init__()
        if deep:
            first = [_conv(3, width // 2, stride=2), nn.ReLU()]
            first += [_conv(width // 2, width, stride=2), nn.ReLU()]
        else:
            first = [_conv(3, width)]
        first.append(Block(width))
        for level in range(3):
            first.append(_conv(width, width, stride=2, bias=False))
            first += [Block(width, pooled and level == 2) for _ in range(3)]
        self.encoder = nn.Sequential(*first, _conv(width, latents))
        last: list[nn.Module] = [Squeeze(), _conv(latents, widths[-1]), nn.ReLU()]
        for level in reversed(range(1, len(widths))):
            at_end = pooled and level == len(widths) - 1
            last += [Block(widths[level], at_end) for _ in range(3)]
            last += [
                nn.Upsample(scale_factor=2),
                _conv(widths[level], widths[level - 1], bias=False),
            ]
        self.decoder = nn.Sequential(*last, Block(widths[0]), _conv(widths[0], 3))


def _conv(inputs: int, outputs: int, *, stride: int = 1, bias: bool = True) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=bias)


def _halves(named: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The entries of the encoder and of the decoder, by their own official names."""
    encoder, decoder = {}, {}
    for name, value in named.items():
        before, found, own = name.partition("encoder.")
        half, shift = encoder, 0
        if not found:
            before, found, own = name.partition("decoder.")
            half, shift = decoder, 1
        if not found or "." in before:
            continue
        if own.startswith("layers."):
            number, _, rest = own.removeprefix("layers.").partition(".")
            own = f"{int(number) + shift}.{rest}" if number.isdigit() else own
        half[own] = value
    return encoder, decoder


def _alone(shapes: Shapes) -> str | None:
    """Which half a file without the other is."""
    if "1.conv.0.weight" in shapes or ("4.conv.0.weight" in shapes and "0.weight" in shapes):
        return "encoder"
    return "decoder" if "3.conv.0.weight" in shapes and "0.weight" not in shapes else None


@whole
def _recognise(shapes: Shapes, described: Mapping[str, Any]) -> Config | None:
    encoder, decoder = _halves(shapes)
    kinds = [_alone(half) for half in (encoder, decoder)]
    if kinds != ["encoder", "decoder"]:
        found = _alone(shapes) or next((kind for kind in kinds if kind), None)
        if found is None or any(not _sequence(name) for name in (*encoder, *decoder)):
            return None
        raise ValueError(
            f"this is TAESD's {found} alone: give a folder with both, ..._encoder and ..._decoder"
        )
    plain = {int(name.split(".")[0]) for name in decoder if name.count(".") == 1}
    return {
        "latents": decoder["1.weight"][1],
        "width": encoder["5.weight" if _deep(encoder) else "0.weight"][0],
        "pooled": any(".pool." in name for name in decoder),
        "deep": _deep(encoder),
        "widths": [decoder[f"{n}.weight"][0] for n in sorted(plain, reverse=True)[1:]],
    }


def _deep(encoder: Shapes) -> bool:
    return "1.conv.0.weight" not in encoder


def _sequence(name: str) -> bool:
    return name.split(".")[0].isdigit()


def _build(config: Config) -> Tiny:
    return Tiny(**config)


def _rename(tensors: Tensors, config: Config) -> dict[str, Tensor]:
    encoder, decoder = _halves(tensors)
    state = {f"encoder.{name}": value for name, value in encoder.items()}
    return state | {f"decoder.{name}": value for name, value in decoder.items()}


def _autoencoder(network: Tiny, config: Config) -> Autoencoder:
    factor = 32 if config["deep"] else 8
    return Autoencoder(network.encoder, network.decoder, config["latents"], factor, (0.0, 1.0))


TAESD = Family(
    name="taesd",
    title="TAESD, a tiny autoencoder of a large model's latents (madebyollin/taesd)",
    recognise=_recognise,
    build=_build,
    rename=_rename,
    sigmas=None,
    shape=lambda config: (config["latents"], None, None),
    autoencoder=_autoencoder,
    data_range=lambda config: None,
)
