"""The U-Net of OpenAI's guided diffusion, and of latent diffusion, which took it over.

Ho et al., NeurIPS 2020; Dhariwal & Nichol, NeurIPS 2021, arXiv:2105.05233; Rombach et al., CVPR
2022, arXiv:2112.10752. Names as in their repositories: input_blocks, middle_block, output_blocks.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, scaled_dot_product_attention

from .spatial_transformer import SpatialTransformer

GROUPS = 32


@dataclass(frozen=True)
class Blocks:
    """What the blocks of one network have in common."""

    embedding: int  # channels of the embedded time
    scale_shift: bool  # the time scales and shifts the second norm, else it is added before it
    heads: int | None  # of attention; None: as many as head_channels gives
    head_channels: int | None
    new_order: bool  # query, key and value are split before the heads, else after
    context: int | None  # channels of the tokens attended to; None: plain self-attention
    depth: int  # transformer blocks in each spatial transformer

    def attention(self, width: int) -> nn.Module:
        heads = self.heads or width // self.head_channels
        if self.context is None:
            return Attention(width, heads, self.new_order)
        return SpatialTransformer(width, heads, self.context, self.depth)


class Residual(nn.Module):
    """x + conv(silu(norm(conv(silu(norm(x))) with the time))); resized on the way: up, down."""

    def __init__(self, inputs: int, outputs: int, kind: Blocks, resize: str = ""):
        super().__init__()
        self.scale_shift, self.resize = kind.scale_shift, resize
        self.in_layers = nn.Sequential(_norm(inputs), nn.SiLU(), _conv(inputs, outputs))
        told = 2 * outputs if kind.scale_shift else outputs
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(kind.embedding, told))
        self.out_layers = nn.Sequential(
            _norm(outputs), nn.SiLU(), nn.Identity(), _conv(outputs, outputs)
        )
        same = inputs == outputs
        self.skip_connection = nn.Identity() if same else nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor, time: Tensor, context: Tensor | None) -> Tensor:
        h = self.in_layers[1](self.in_layers[0](x))
        if self.resize:
            h, x = _resized(h, self.resize), _resized(x, self.resize)
        h = self.in_layers[2](h)
        told = self.emb_layers(time)[:, :, None, None]
        if self.scale_shift:
            scale, shift = told.chunk(2, 1)
            h = self.out_layers[1:](self.out_layers[0](h) * (1 + scale) + shift)
        else:
            h = self.out_layers(h + told)
        return self.skip_connection(x) + h


class Attention(nn.Module):
    """Self-attention over all pixels, added to x."""

    def __init__(self, width: int, heads: int, new_order: bool):
        super().__init__()
        self.heads, self.new_order = heads, new_order
        self.norm = _norm(width)
        self.qkv = nn.Conv1d(width, 3 * width, 1)
        self.proj_out = nn.Conv1d(width, width, 1)

    def forward(self, x: Tensor, time: Tensor, context: Tensor | None) -> Tensor:
        flat = x.flatten(2)
        qkv = self.qkv(self.norm(flat))
        if self.new_order:
            parts = qkv.unflatten(1, (3, self.heads, -1)).unbind(1)
        else:
            parts = qkv.unflatten(1, (self.heads, 3, -1)).unbind(2)
        q, k, v = (part.transpose(2, 3) for part in parts)  # (batch, heads, pixels, channels)
        attended = scaled_dot_product_attention(q, k, v).transpose(2, 3).flatten(1, 2)
        return (flat + self.proj_out(attended)).view_as(x)


class Downsample(nn.Module):
    """A convolution of every second pixel."""

    def __init__(self, width: int):
        super().__init__()
        self.op = nn.Conv2d(width, width, 3, stride=2, padding=1)

    def forward(self, x: Tensor, time: Tensor, context: Tensor | None) -> Tensor:
        return self.op(x)


class Upsample(nn.Module):
    """Each pixel four times, then a convolution."""

    def __init__(self, width: int):
        super().__init__()
        self.conv = _conv(width, width)

    def forward(self, x: Tensor, time: Tensor, context: Tensor | None) -> Tensor:
        return self.conv(_resized(x, "up"))


class Head(nn.Conv2d):
    """The first convolution."""

    def forward(self, x: Tensor, time: Tensor, context: Tensor | None) -> Tensor:
        return super().forward(x)


class UNet(nn.Module):
    """(batch, inputs, h, w), time (batch,) -> (batch, outputs, h, w); h, w multiples of 2^levels.

    width: channels of the time's features. widths: channels of each level, from the finest;
    attention: at which levels. classes: of labels (batch,). Time may lie between two steps.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        width: int,
        widths: Sequence[int],
        blocks: int,
        attention: Sequence[int],
        updown: bool = False,
        scale_shift: bool = False,
        classes: int | None = None,
        heads: int | None = None,
        head_channels: int | None = None,
        new_order: bool = False,
        context: int | None = None,
        depth: int = 1,
    ):
        super().__init__()
        self.width = width
        kind = Blocks(4 * width, scale_shift, heads, head_channels, new_order, context, depth)
        self.time_embed = nn.Sequential(
            nn.Linear(width, 4 * width), nn.SiLU(), nn.Linear(4 * width, 4 * width)
        )
        if classes is not None:
            self.label_emb = nn.Embedding(classes, 4 * width)
        self.input_blocks, skips = _input_blocks(inputs, widths, blocks, attention, updown, kind)
        last = widths[-1]
        middle = [Residual(last, last, kind), kind.attention(last), Residual(last, last, kind)]
        self.middle_block = nn.ModuleList(middle)
        self.output_blocks = _output_blocks(skips, widths, blocks, attention, updown, kind)
        self.out = nn.Sequential(_norm(widths[0]), nn.SiLU(), _conv(widths[0], outputs))

    def forward(
        self, x: Tensor, time: Tensor, label: Tensor | None = None, context: Tensor | None = None
    ) -> Tensor:
        told = self.time_embed(time_features(time, self.width).to(x.dtype))
        if label is not None:
            told = told + self.label_emb(label)
        skips = []
        for block in self.input_blocks:
            x = _through(block, x, told, context)
            skips.append(x)
        x = _through(self.middle_block, x, told, context)
        for block in self.output_blocks:
            x = _through(block, torch.cat([x, skips.pop()], 1), told, context)
        return self.out(x)


def time_features(time: Tensor, width: int, slowest: float = 10_000.0) -> Tensor:
    """Cosines, then sines, at frequencies from 1 to 1/slowest; (batch,) -> (batch, width)."""
    half = width // 2
    powers = torch.arange(half, dtype=torch.float32, device=time.device) / half
    phases = time.float()[:, None] * (-math.log(slowest) * powers).exp()
    features = torch.cat([phases.cos(), phases.sin()], 1)
    return nn.functional.pad(features, (0, width % 2))


def _input_blocks(inputs, widths, blocks, attention, updown, kind):
    """The way down, and the channels that each of its blocks leaves for the way up."""
    width = widths[0]
    made = [nn.ModuleList([Head(inputs, width, 3, padding=1)])]
    skips = [width]
    for level, wider in enumerate(widths):
        for _ in range(blocks):
            block = [Residual(width, wider, kind)]
            block += [kind.attention(wider)] if level in attention else []
            made.append(nn.ModuleList(block))
            skips.append(width := wider)
        if level < len(widths) - 1:
            down = Residual(width, width, kind, "down") if updown else Downsample(width)
            made.append(nn.ModuleList([down]))
            skips.append(width)
    return nn.ModuleList(made), skips


def _output_blocks(skips, widths, blocks, attention, updown, kind):
    made, width = [], widths[-1]
    for level in reversed(range(len(widths))):
        for i in range(blocks + 1):
            block = [Residual(width + skips.pop(), widths[level], kind)]
            width = widths[level]
            block += [kind.attention(width)] if level in attention else []
            if level and i == blocks:
                block.append(Residual(width, width, kind, "up") if updown else Upsample(width))
            made.append(nn.ModuleList(block))
    return nn.ModuleList(made)


def _through(block: nn.ModuleList, x: Tensor, time: Tensor, context: Tensor | None) -> Tensor:
    for layer in block:
        x = layer(x, time, context)
    return x


def _resized(x: Tensor, way: str) -> Tensor:
    return interpolate(x, scale_factor=2.0) if way == "up" else avg_pool2d(x, 2)


def _norm(width: int) -> nn.GroupNorm:
    return nn.GroupNorm(GROUPS, width)


def _conv(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1)
