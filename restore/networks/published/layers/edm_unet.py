"""The U-Nets of EDM: Karras et al., NeurIPS 2022, arXiv:2206.00364, appendix F.

SongUNet is DDPM++ and NCSN++ (Song et al., ICLR 2021), DhariwalUNet is ADM; names as in EDM's
release: enc.32x32_conv, enc.32x32_block0, ..., dec.8x8_in0, ...
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, scaled_dot_product_attention, silu

from .resampling import enlarged, shrunk

GROUPS, LEAST_IN_GROUP = 32, 4


@dataclass(frozen=True)
class Kind:
    """What sets the two U-Nets' blocks apart."""

    embedding: int  # channels of the embedded noise level
    taps: tuple[int, ...]  # of the resampling filter
    song: bool  # one head, the noise level added, sums over sqrt 2, projected skips; else ADM's

    @property
    def eps(self) -> float:
        return 1e-6 if self.song else 1e-5

    @property
    def share(self) -> float:
        return 0.5**0.5 if self.song else 1.0

    def heads(self, width: int) -> int:
        return 1 if self.song else width // 64


class Conv(nn.Module):
    """A convolution that may resample by two before (fused down: after); side 0: only resamples."""

    def __init__(self, inputs: int, outputs: int, side: int, resize: str = "", taps=(1, 1)):
        super().__init__()
        self.side, self.resize = side, resize
        if side:
            self.weight = nn.Parameter(
                torch.randn(outputs, inputs, side, side) / (inputs * side * side) ** 0.5
            )
            self.bias = nn.Parameter(torch.zeros(outputs))
        if resize:
            row = torch.tensor(taps, dtype=torch.float32)
            self.register_buffer("resample_filter", row.outer(row)[None, None] / row.sum() ** 2)

    def forward(self, x: Tensor) -> Tensor:
        pad = self.side // 2
        if self.resize == "fused down":
            reach = (self.resample_filter.shape[-1] - 1) // 2
            x = conv2d(x, self.weight, padding=pad + reach)
            return shrunk(x, self._kernel(x), padding=0) + self.bias[:, None, None]
        if self.resize:
            x = (enlarged if self.resize == "up" else shrunk)(x, self._kernel(x))
        return conv2d(x, self.weight, self.bias, padding=pad) if self.side else x

    def _kernel(self, x: Tensor) -> Tensor:
        return self.resample_filter.to(x.dtype)


class Block(nn.Module):
    """A residual block told the noise level, resampling on the way, and attention after it."""

    def __init__(self, inputs: int, outputs: int, kind: Kind, resize: str = "", attention=False):
        super().__init__()
        self.inputs, self.kind = inputs, kind
        self.norm0 = _norm(inputs, kind)
        self.conv0 = Conv(inputs, outputs, 3, resize, kind.taps)
        self.affine = nn.Linear(kind.embedding, outputs if kind.song else 2 * outputs)
        self.norm1 = _norm(outputs, kind)
        self.conv1 = Conv(outputs, outputs, 3)
        self.skip = None
        if resize or inputs != outputs:
            side = 1 if kind.song or inputs != outputs else 0
            self.skip = Conv(inputs, outputs, side, resize, kind.taps)
        self.heads = kind.heads(outputs) if attention else 0
        if self.heads:
            self.norm2 = _norm(outputs, kind)
            self.qkv = Conv(outputs, 3 * outputs, 1)
            self.proj = Conv(outputs, outputs, 1)

    def forward(self, x: Tensor, told: Tensor) -> Tensor:
        h = self.conv0(silu(self.norm0(x)))
        told = self.affine(told)[:, :, None, None]
        if self.kind.song:
            h = self.norm1(h + told)
        else:
            scale, shift = told.chunk(2, 1)
            h = self.norm1(h) * (1 + scale) + shift
        h = self.conv1(silu(h))
        x = (h + (x if self.skip is None else self.skip(x))) * self.kind.share
        return (x + self._attended(x)) * self.kind.share if self.heads else x

    def _attended(self, x: Tensor) -> Tensor:
        parts = self.qkv(self.norm2(x)).flatten(2).unflatten(1, (self.heads, -1, 3))
        q, k, v = (part.transpose(2, 3) for part in parts.unbind(3))
        return self.proj(scaled_dot_product_attention(q, k, v).transpose(2, 3).reshape(x.shape))


class Fourier(nn.Module):
    """Cosines and sines of random frequencies."""

    def __init__(self, width: int):
        super().__init__()
        self.register_buffer("freqs", torch.randn(width // 2) * 16)

    def forward(self, noise: Tensor) -> Tensor:
        phases = noise[:, None] * (2 * math.pi * self.freqs)
        return torch.cat([phases.cos(), phases.sin()], 1)


class Positional(nn.Module):
    """Cosines and sines at frequencies from 1 to 1/10000, which is reached where endpoint."""

    def __init__(self, width: int, endpoint: bool):
        super().__init__()
        self.half, self.endpoint = width // 2, endpoint

    def forward(self, noise: Tensor) -> Tensor:
        powers = torch.arange(self.half, device=noise.device, dtype=torch.float32)
        powers = powers / (self.half - self.endpoint)
        phases = noise[:, None] * (1e-4**powers).to(noise.dtype)
        return torch.cat([phases.cos(), phases.sin()], 1)


class EDMUNet(nn.Module):
    """F(x, noise, classes): (batch, inputs, size, size), (batch,) -> (batch, outputs, size, size).

    width: channels of the noise level's features; first: of the first convolution; widths: of each
    level, from the finest;
    attention: sides of pictures with it. encoder: "standard", "skip" or "residual", how smaller
    copies of the input enter; decoder: "standard" or "skip", whether every level has an output.
    classes: one-hot (batch, labels), for a network of labels.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        size: int,
        width: int,
        embedding: int,
        first: int,
        widths: Sequence[int],
        blocks: int,
        attention: Sequence[int],
        song: bool,
        fourier: bool,
        encoder: str,
        decoder: str,
        taps: Sequence[int],
        labels: int,
        augment: int,
    ):
        super().__init__()
        kind = Kind(embedding, tuple(taps), song)
        self.song = song
        self.map_noise = Fourier(width) if fourier else Positional(width, endpoint=song)
        if labels:
            self.map_label = nn.Linear(labels, width if song else embedding, bias=song)
        if augment:  # of training; kept so that the file is whole
            self.map_augment = nn.Linear(augment, width, bias=False)
        self.map_layer0 = nn.Linear(width, embedding)
        self.map_layer1 = nn.Linear(embedding, embedding)
        shape = (size, list(widths), blocks, set(attention))
        self.enc, skips = _encoder(inputs, first, shape, encoder, kind)
        self.dec = _decoder(outputs, skips, shape, decoder, kind)
        if not song:
            self.out_norm = _norm(widths[0], kind)
            self.out_conv = Conv(widths[0], outputs, 3)

    def forward(self, x: Tensor, noise: Tensor, classes: Tensor | None = None) -> Tensor:
        told = self._told(noise.to(x.dtype), classes)
        skips: list[Tensor] = []
        small = x
        for name, block in self.enc.items():
            if "aux_down" in name:
                small = block(small)
            elif "aux_skip" in name:
                x = skips[-1] = x + block(small)
            elif "aux_residual" in name:
                x = skips[-1] = small = (x + block(small)) / 2**0.5
            else:
                x = block(x, told) if isinstance(block, Block) else block(x)
                skips.append(x)
        picture = normed = None
        for name, block in self.dec.items():
            if "aux_up" in name:
                picture = block(picture)
            elif "aux_norm" in name:
                normed = silu(block(x))
            elif "aux_conv" in name:
                picture = block(normed) if picture is None else picture + block(normed)
            else:
                x = torch.cat([x, skips.pop()], 1) if x.shape[1] != block.inputs else x
                x = block(x, told)
        return picture if self.song else self.out_conv(silu(self.out_norm(x)))

    def _told(self, noise: Tensor, classes: Tensor | None) -> Tensor:
        told = self.map_noise(noise)
        if self.song:
            told = torch.cat(told.chunk(2, 1)[::-1], 1)  # sines first
            if classes is not None:
                told = told + self.map_label(classes * classes.shape[1] ** 0.5)
            return silu(self.map_layer1(silu(self.map_layer0(told))))
        told = self.map_layer1(silu(self.map_layer0(told)))
        return silu(told if classes is None else told + self.map_label(classes))


def _encoder(inputs: int, first: int, shape: tuple, encoder: str, kind: Kind):
    """The way down, and the channels that its blocks leave for the way up."""
    size, widths, blocks, attention = shape
    made, skips = nn.ModuleDict(), []
    width, small = first, inputs
    for level, wider in enumerate(widths):
        side = f"{size >> level}x{size >> level}"
        if level == 0:
            made[f"{side}_conv"] = Conv(inputs, first, 3)
        else:
            made[f"{side}_down"] = Block(width, width, kind, "down")
            if encoder == "skip":
                made[f"{side}_aux_down"] = Conv(small, small, 0, "down", kind.taps)
                made[f"{side}_aux_skip"] = Conv(small, width, 1)
            elif encoder == "residual":
                made[f"{side}_aux_residual"] = Conv(small, width, 3, "fused down", kind.taps)
                small = width
        skips.append(width)
        for i in range(blocks):
            attends = size >> level in attention
            made[f"{side}_block{i}"] = Block(width, wider, kind, attention=attends)
            skips.append(width := wider)
    return made, skips


def _decoder(outputs: int, skips: list[int], shape: tuple, decoder: str, kind: Kind):
    size, widths, blocks, attention = shape
    made, width = nn.ModuleDict(), widths[-1]
    for level, wider in reversed(list(enumerate(widths))):
        side = f"{size >> level}x{size >> level}"
        if level == len(widths) - 1:
            made[f"{side}_in0"] = Block(width, width, kind, attention=True)
            made[f"{side}_in1"] = Block(width, width, kind)
        else:
            made[f"{side}_up"] = Block(width, width, kind, "up")
        for i in range(blocks + 1):
            attends = size >> level in attention and (i == blocks or not kind.song)
            made[f"{side}_block{i}"] = Block(width + skips.pop(), wider, kind, attention=attends)
            width = wider
        if kind.song and (decoder == "skip" or level == 0):
            if decoder == "skip" and level < len(widths) - 1:
                made[f"{side}_aux_up"] = Conv(outputs, outputs, 0, "up", kind.taps)
            made[f"{side}_aux_norm"] = _norm(width, kind)
            made[f"{side}_aux_conv"] = Conv(width, outputs, 3)
    return made


def _norm(width: int, kind: Kind) -> nn.GroupNorm:
    return nn.GroupNorm(min(GROUPS, width // LEAST_IN_GROUP), width, eps=kind.eps)
