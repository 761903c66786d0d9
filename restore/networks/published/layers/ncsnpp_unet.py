"""NCSN++ and DDPM++: Song et al., ICLR 2021, arXiv:2011.13456, appendix H.

Names as in score_sde: `all_modules.N`, numbered in the order of use; SGMSE+ numbers its modules
without those that have no weights, and adds an `output_layer`.
"""

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, scaled_dot_product_attention, silu

from .resampling import FIR, kernel_of, resized, shrunk

NORM_EPS = 1e-6
SHARE = 0.5**0.5  # a sum of two is divided by sqrt 2


class Residual(nn.Module):
    """(x + conv(silu(norm(conv(silu(norm(x))) + told)))) / sqrt 2; resized as in BigGAN."""

    def __init__(self, inputs: int, outputs: int, told: int, fir: bool, resize: str = ""):
        super().__init__()
        self.resize, self.fir = resize, fir
        self.GroupNorm_0 = norm(inputs)
        self.Conv_0 = _conv(inputs, outputs)
        self.Dense_0 = nn.Linear(told, outputs)
        self.GroupNorm_1 = norm(outputs)
        self.Conv_1 = _conv(outputs, outputs)
        self.Conv_2 = nn.Conv2d(inputs, outputs, 1) if resize or inputs != outputs else None

    def forward(self, x: Tensor, told: Tensor | None) -> Tensor:
        h = silu(self.GroupNorm_0(x))
        if self.resize:
            h, x = (resized(part, self.resize, self.fir) for part in (h, x))
        h = self.Conv_0(h)
        if told is not None:
            h = h + self.Dense_0(told)[:, :, None, None]
        h = self.Conv_1(silu(self.GroupNorm_1(h)))
        return ((x if self.Conv_2 is None else self.Conv_2(x)) + h) * SHARE


class Mix(nn.Module):
    """A linear map of each pixel's channels, W (inputs, outputs)."""

    def __init__(self, width: int):
        super().__init__()
        self.W = nn.Parameter(torch.randn(width, width) / width**0.5)
        self.b = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.W + self.b


class Attention(nn.Module):
    """(x + self-attention over all pixels, of one head) / sqrt 2."""

    def __init__(self, width: int):
        super().__init__()
        self.GroupNorm_0 = norm(width)
        self.NIN_0, self.NIN_1, self.NIN_2, self.NIN_3 = (Mix(width) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        h = self.GroupNorm_0(x).flatten(2).transpose(1, 2)  # (batch, pixels, channels)
        h = scaled_dot_product_attention(self.NIN_0(h), self.NIN_1(h), self.NIN_2(h))
        return (x + self.NIN_3(h).transpose(1, 2).reshape(x.shape)) * SHARE


class Combine(nn.Module):
    """h + conv(x), x a smaller copy of the input."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.Conv_0 = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        return h + self.Conv_0(x)


class Shrink(nn.Module):
    """A 3x3 convolution, filtered and of half the size."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.Conv2d_0 = nn.Conv2d(inputs, outputs, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = conv2d(x, self.Conv2d_0.weight, padding=len(FIR) // 2)
        return shrunk(x, kernel_of(FIR, x), padding=0) + self.Conv2d_0.bias[:, None, None]


class Resize(nn.Module):
    """A module without weights, which score_sde numbers."""

    def __init__(self, way: str, fir: bool):
        super().__init__()
        self.way, self.fir = way, fir

    def forward(self, x: Tensor) -> Tensor:
        return resized(x, self.way, self.fir)


class Fourier(nn.Module):
    """Sines, then cosines of random frequencies."""

    def __init__(self, width: int):
        super().__init__()
        self.W = nn.Parameter(torch.randn(width) * 16, requires_grad=False)

    def forward(self, noise: Tensor) -> Tensor:
        phases = noise[:, None] * self.W * 2 * math.pi
        return torch.cat([phases.sin(), phases.cos()], 1)


class NCSNpp(nn.Module):
    """(batch, channels, h, w), label (batch,) -> the same; h, w multiples of 2^levels.

    width: channels of the first convolution; widths: of each level, from the finest; attention: at
    which levels. entry: how smaller copies of the input enter: "none", "input_skip", "residual";
    summed: every level gives a share of the output. fourier: the label is looked at by Fourier
    features of its log. numbered: modules without weights have numbers. outputs: channels after
    SGMSE+'s last layer; it divides by the label after it or, if early, before it; not
    at all unless divided. conditional: false for a network that has no use for a label.
    """

    def __init__(
        self,
        channels: int,
        *,
        width: int,
        widths: Sequence[int],
        blocks: int,
        attention: Sequence[int],
        fourier: bool,
        entry: str,
        summed: bool,
        fir: bool,
        numbered: bool,
        outputs: int | None,
        scales: int | None,
        early: bool = True,
        divided: bool = True,
        conditional: bool = True,
    ):
        super().__init__()
        self.width, self.blocks, self.levels = width, blocks, len(widths)
        self.attention = set(attention)
        self.fourier, self.entry, self.summed = fourier, entry, summed
        self.fir, self.numbered = fir, numbered
        if outputs is not None:
            self.output_layer = nn.Conv2d(channels, outputs, 1)
        self.outputs, self.early, self.divided = outputs, early, divided and conditional
        self.conditional = conditional
        if scales is not None:
            self.register_buffer("sigmas", torch.ones(scales, dtype=torch.float64))
        made = [Fourier(width)] if fourier else []
        if conditional:
            made += [nn.Linear(2 * width if fourier else width, 4 * width)]
            made += [nn.Linear(4 * width, 4 * width)]
        made.append(_conv(channels, width))
        down, skips = self._way_down(channels, widths)
        last = widths[-1]
        middle = [self._residual(last, last), Attention(last), self._residual(last, last)]
        up = self._way_up(channels, widths, skips)
        self.all_modules = nn.ModuleList([*made, *down, *middle, *up])

    def _residual(self, inputs: int, outputs: int, resize: str = "") -> Residual:
        return Residual(inputs, outputs, 4 * self.width, self.fir, resize)

    def _way_down(self, channels: int, widths: Sequence[int]) -> tuple[list[nn.Module], list[int]]:
        made: list[nn.Module] = []
        width, small, skips = self.width, channels, [self.width]
        for level, wider in enumerate(widths):
            for _ in range(self.blocks):
                made.append(self._residual(width, wider))
                made += [Attention(wider)] if level in self.attention else []
                skips.append(width := wider)
            if level == self.levels - 1:
                break
            made.append(self._residual(width, width, "down"))
            if self.entry == "input_skip":
                made += [Resize("down", self.fir)] if self.numbered else []
                made.append(Combine(small, width))
            elif self.entry == "residual":
                made.append(Shrink(small, width))
                small = width
            skips.append(width)
        return made, skips

    def _way_up(self, channels: int, widths: Sequence[int], skips: list[int]) -> list[nn.Module]:
        made: list[nn.Module] = []
        width = widths[-1]
        for level in reversed(range(self.levels)):
            for _ in range(self.blocks + 1):
                made.append(self._residual(width + skips.pop(), widths[level]))
                width = widths[level]
            made += [Attention(width)] if level in self.attention else []
            if self.summed:
                resizes = self.numbered and level < self.levels - 1
                made += [Resize("up", self.fir)] if resizes else []
                made += [norm(width), _conv(width, channels)]
            if level:
                made.append(self._residual(width, width, "up"))
        return made if self.summed else [*made, norm(width), _conv(width, channels)]

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        modules = iter(self.all_modules)
        told = self._told(label.to(x.dtype), modules)
        skips = self._down(x, told, modules)
        h = next(modules)(skips[-1], told)
        h = next(modules)(h)
        h = self._up(next(modules)(h, told), skips, told, modules)
        if self.outputs is None:
            return h
        label = label.to(x.dtype).reshape(-1, 1, 1, 1) if self.divided else 1.0
        return self.output_layer(h / label) if self.early else self.output_layer(h) / label

    def _told(self, label: Tensor, modules: Iterator[nn.Module]) -> Tensor | None:
        if not self.conditional:
            next(modules)  # has frequencies, but no use for them
            return None
        told = next(modules)(label.log()) if self.fourier else positional(label, self.width)
        told = next(modules)(told)
        return silu(next(modules)(silu(told)))

    def _down(self, x: Tensor, told: Tensor | None, modules: Iterator[nn.Module]) -> list[Tensor]:
        small, skips = x, [next(modules)(x)]
        for level in range(self.levels):
            for _ in range(self.blocks):
                h = next(modules)(skips[-1], told)
                skips.append(next(modules)(h) if level in self.attention else h)
            if level == self.levels - 1:
                break
            h = next(modules)(skips[-1], told)
            if self.entry == "input_skip":
                small = next(modules)(small) if self.numbered else self._resized(small, "down")
                h = next(modules)(small, h)
            elif self.entry == "residual":
                h = small = (next(modules)(small) + h) * SHARE
            skips.append(h)
        return skips

    def _up(
        self, h: Tensor, skips: list[Tensor], told: Tensor | None, modules: Iterator[nn.Module]
    ):
        picture = None
        for level in reversed(range(self.levels)):
            for _ in range(self.blocks + 1):
                h = next(modules)(torch.cat([h, skips.pop()], 1), told)
            h = next(modules)(h) if level in self.attention else h
            if self.summed:
                if picture is not None:
                    picture = (
                        next(modules)(picture) if self.numbered else self._resized(picture, "up")
                    )
                share = next(modules)(h)
                share = next(modules)(silu(share))
                picture = share if picture is None else picture + share
            if level:
                h = next(modules)(h, told)
        return picture if self.summed else self._last(h, modules)

    def _last(self, h: Tensor, modules: Iterator[nn.Module]) -> Tensor:
        h = silu(next(modules)(h))
        return next(modules)(h)

    def _resized(self, x: Tensor, way: str) -> Tensor:
        return resized(x, way, self.fir)


def positional(label: Tensor, width: int) -> Tensor:
    """Sines, then cosines at frequencies from 1 to 1/10000; (batch,) -> (batch, width)."""
    half = width // 2
    powers = torch.arange(half, dtype=label.dtype, device=label.device) / (half - 1)
    phases = label[:, None] * 1e-4**powers
    return torch.cat([phases.sin(), phases.cos()], 1)


def norm(width: int) -> nn.GroupNorm:
    return nn.GroupNorm(min(width // 4, 32), width, eps=NORM_EPS)


def _conv(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1)
