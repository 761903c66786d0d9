"""A small fully convolutional U-Net without biases or normalisation, in 1, 2 or 3 dimensions.

Residual blocks as in DRUNet (Zhang et al., TPAMI 2021, arXiv:2008.13751); the noise level enters
as an extra input channel and as a gain per channel at the entrance of every level.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn


class Block(nn.Module):
    """x + conv(relu(conv(x)))."""

    def __init__(self, width: int, dims: int):
        super().__init__()
        self.first = convolution(dims, width, width)
        self.second = convolution(dims, width, width)
        with torch.no_grad():
            self.second.weight.mul_(0.2)  # near the identity at the start

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(torch.relu(self.first(x)))


class UNet(nn.Module):
    """F(x, noise): (batch, channels, *size), (batch,) -> (batch, channels, *size), for any size.

    widths: channels of each level, from the finest; blocks: residual blocks a level, each way.
    noise is the label of the noise level, c_noise of EDM; any scalar of order one.
    """

    told = "scalar"  # of the noise: one level for a whole signal

    def __init__(
        self,
        channels: int,
        *,
        widths: Sequence[int] = (32, 64, 128, 256),
        blocks: int = 2,
        dims: int = 2,
    ):
        super().__init__()
        self.config = {
            "channels": channels, "widths": list(widths), "blocks": blocks, "dims": dims,
        }  # fmt: skip
        self.dims = dims
        self.multiple = 2 ** (len(widths) - 1)  # sizes are padded to a multiple of this
        self.gains_of = [*widths, *reversed(widths[:-1])]
        self.embed = nn.Sequential(nn.Linear(3, 64), nn.SiLU(), nn.Linear(64, sum(self.gains_of)))
        nn.init.zeros_(self.embed[-1].weight)
        nn.init.zeros_(self.embed[-1].bias)
        self.head = convolution(dims, channels + 1, widths[0])
        add_levels(self, widths, blocks, dims)
        self.tail = convolution(dims, widths[0], channels)
        nn.init.zeros_(self.tail.weight)

    def forward(self, x: Tensor, noise: Tensor) -> Tensor:
        size = x.shape[2:]
        x = pad_to_multiple(x, self.multiple)
        label = (
            noise.to(x.dtype).reshape(-1, *(1,) * (self.dims + 1)).expand(len(x), 1, *x.shape[2:])
        )
        gains = self._gains(noise.to(x.dtype).reshape(-1, 1))
        x = self.head(torch.cat([x, label], 1)) * gains[0]
        skips = []
        for level, (blocks, down) in enumerate(zip(self.encoder, self.down, strict=True)):
            x = blocks(x)
            skips.append(x)
            x = down(x) * gains[level + 1]
        x = self.middle(x)
        for level, (up, blocks) in enumerate(zip(self.up, self.decoder, strict=True)):
            x = blocks((up(x) + skips.pop()) * gains[len(self.encoder) + 1 + level])
        return self.tail(x)[(..., *(slice(n) for n in size))]

    def begun_head(self, weight: Tensor, given: Mapping[str, Any]) -> Tensor:
        """The first layer's weights from those of a network of another number of channels."""
        theirs, mine = given["channels"], self.config["channels"]
        signal = spread_channels(weight[:, :theirs], 1, theirs, mine) * (theirs / mine)
        return torch.cat([signal, weight[:, theirs:]], 1)

    def _gains(self, noise: Tensor) -> list[Tensor]:
        gains = 1 + self.embed(torch.cat([noise, noise.sin(), noise.cos()], 1))
        return [
            gain.reshape(*gain.shape, *(1,) * self.dims) for gain in gains.split(self.gains_of, 1)
        ]


def add_levels(network: nn.Module, widths: Sequence[int], blocks: int, dims: int) -> None:
    """Give a network the residual blocks of a U-Net: encoder, down, middle, up, decoder."""
    down = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}[dims]
    up = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}[dims]
    steps = list(pairwise(widths))
    network.encoder = nn.ModuleList(_level(w, blocks, dims) for w in widths[:-1])
    network.down = nn.ModuleList(down(a, b, 2, stride=2, bias=False) for a, b in steps)
    network.middle = _level(widths[-1], blocks, dims)
    network.up = nn.ModuleList(up(b, a, 2, stride=2, bias=False) for a, b in reversed(steps))
    network.decoder = nn.ModuleList(_level(w, blocks, dims) for w in reversed(widths[:-1]))


def through_levels(network: nn.Module, x: Tensor) -> Tensor:
    """x down and up the levels that `add_levels` gave, what each level saw added on the way up."""
    skips = []
    for blocks, down in zip(network.encoder, network.down, strict=True):
        x = blocks(x)
        skips.append(x)
        x = down(x)
    x = network.middle(x)
    for up, blocks in zip(network.up, network.decoder, strict=True):
        x = blocks(up(x) + skips.pop())
    return x


def pad_to_multiple(x: Tensor, multiple: int) -> Tensor:
    """x with its last samples repeated up to sizes that `multiple` divides."""
    pads = [side for n in reversed(x.shape[2:]) for side in (0, -n % multiple)]
    return nn.functional.pad(x, pads, mode="replicate") if any(pads) else x


def convolution(dims: int, inputs: int, outputs: int) -> nn.Module:
    """A convolution of 3 samples along every axis, without bias."""
    conv = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}[dims]
    layer = conv(inputs, outputs, 3, padding=1, bias=False)
    nn.init.kaiming_normal_(layer.weight)
    return layer


def _level(width: int, blocks: int, dims: int) -> nn.Module:
    return nn.Sequential(*(Block(width, dims) for _ in range(blocks)))


def begin_from(network: nn.Module, other: nn.Module) -> None:
    """Take over another network's weights, in place; its channels and bands may be others.

    More channels start as copies that share the first layer's weights; fewer, as their average.
    One band becomes many that enter alike. ValueError where the networks differ in anything else.
    """
    mine, theirs = (_without_inputs(one.config) for one in (network, other))
    bands, given = (one.config.get("bands", 1) for one in (network, other))
    if type(network) is not type(other) or mine != theirs or given not in (1, bands):
        raise ValueError(f"cannot begin a network of {network.config} from one of {other.config}")
    weights = {name: value.clone() for name, value in other.state_dict().items()}
    weights["head.weight"] = network.begun_head(weights["head.weight"], other.config)
    weights["tail.weight"] = spread_channels(
        weights["tail.weight"], 0, other.config["channels"], network.config["channels"]
    )
    network.load_state_dict(weights)


def spread_channels(weight: Tensor, axis: int, given: int, wanted: int) -> Tensor:
    """Weights along an axis of so many given channels, each of several entries, for others."""
    if given == wanted:
        return weight
    split = weight.unflatten(axis, (given, -1)).mean(axis, keepdim=True)
    return split.repeat_interleave(wanted, axis).flatten(axis, axis + 1)


def _without_inputs(config: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in config.items() if name not in ("channels", "bands")}
