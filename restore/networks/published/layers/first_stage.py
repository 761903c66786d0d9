"""The autoencoders of latent diffusion: Rombach et al., CVPR 2022, arXiv:2112.10752.

AutoencoderKL gives a mean and a variance, VQModel the nearest of learned vectors; names as in
CompVis/latent-diffusion: encoder.down.0.block.0.norm1, decoder.up.0.upsample.conv, ...
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, pad, scaled_dot_product_attention, silu

NORM_EPS = 1e-6


class Residual(nn.Module):
    """x + conv(silu(norm(conv(silu(norm(x)))))."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.norm1, self.conv1 = _norm(inputs), _conv(inputs, outputs)
        self.norm2, self.conv2 = _norm(outputs), _conv(outputs, outputs)
        self.nin_shortcut = None if inputs == outputs else nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv2(silu(self.norm2(self.conv1(silu(self.norm1(x))))))
        return h + (x if self.nin_shortcut is None else self.nin_shortcut(x))


class Attention(nn.Module):
    """x + self-attention over all pixels, of one head."""

    def __init__(self, width: int):
        super().__init__()
        self.norm = _norm(width)
        self.q, self.k, self.v = (nn.Conv2d(width, width, 1) for _ in range(3))
        self.proj_out = nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm(x)
        q, k, v = (part(h).flatten(2).transpose(1, 2) for part in (self.q, self.k, self.v))
        attended = scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(x.shape)
        return x + self.proj_out(attended)


class Downsample(nn.Module):
    """A convolution of every second pixel; the padding is on the right and below only."""

    def __init__(self, width: int):
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(pad(x, (0, 1, 0, 1)))


class Upsample(nn.Module):
    """Each pixel four times, then a convolution."""

    def __init__(self, width: int):
        super().__init__()
        self.conv = _conv(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(interpolate(x, scale_factor=2.0))


class Level(nn.Module):
    """Residual blocks, each followed by attention where there is one, then a change of size."""

    downsample: nn.Module | None
    upsample: nn.Module | None

    def __init__(self, inputs: int, width: int, blocks: int, attends: bool, resize: str = ""):
        super().__init__()
        sizes = [inputs, *[width] * (blocks - 1)]
        self.block = nn.ModuleList(Residual(size, width) for size in sizes)
        self.attn = nn.ModuleList(Attention(width) for _ in range(blocks if attends else 0))
        self.downsample = Downsample(width) if resize == "down" else None
        self.upsample = Upsample(width) if resize == "up" else None

    def forward(self, x: Tensor) -> Tensor:
        for i, block in enumerate(self.block):
            x = block(x)
            x = self.attn[i](x) if len(self.attn) else x
        resize = self.downsample or self.upsample
        return x if resize is None else resize(x)


class Middle(nn.Module):
    """Two residual blocks with attention between them."""

    def __init__(self, width: int):
        super().__init__()
        self.block_1, self.attn_1 = Residual(width, width), Attention(width)
        self.block_2 = Residual(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.block_2(self.attn_1(self.block_1(x)))


class Encoder(nn.Module):
    """(batch, channels, h, w) -> (batch, outputs, h / 2^n, w / 2^n), n one less than the levels."""

    def __init__(self, channels: int, outputs: int, first: int, widths, blocks: int, attention):
        super().__init__()
        self.conv_in = _conv(channels, first)
        self.down = nn.ModuleList()
        for level, (inputs, width) in enumerate(zip([first, *widths], widths, strict=False)):
            resize = "down" if level < len(widths) - 1 else ""
            self.down.append(Level(inputs, width, blocks, level in attention, resize))
        self.mid = Middle(widths[-1])
        self.norm_out, self.conv_out = _norm(widths[-1]), _conv(widths[-1], outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_in(x)
        for down in self.down:
            x = down(x)
        return self.conv_out(silu(self.norm_out(self.mid(x))))


class Decoder(nn.Module):
    """The way back; (batch, inputs, h, w) -> (batch, channels, 2^n h, 2^n w)."""

    def __init__(self, channels: int, inputs: int, widths, blocks: int, attention):
        super().__init__()
        self.conv_in = _conv(inputs, widths[-1])
        self.mid = Middle(widths[-1])
        self.up = nn.ModuleList()
        for level, (width, below) in enumerate(zip(widths, [*widths[1:], widths[-1]], strict=True)):
            resize = "up" if level else ""
            self.up.append(Level(below, width, blocks + 1, level in attention, resize))
        self.norm_out, self.conv_out = _norm(widths[0]), _conv(widths[0], channels)

    def forward(self, x: Tensor) -> Tensor:
        x = self.mid(self.conv_in(x))
        for up in reversed(self.up):
            x = up(x)
        return self.conv_out(silu(self.norm_out(x)))


class FirstStage(nn.Module):
    """channels -> latents and back. entries: learned vectors of a VQModel; None: AutoencoderKL.

    first: of the first convolution; widths: channels of each level, from the finest; inner:
    channels at the coarsest end.
    """

    def __init__(
        self,
        channels: int,
        latents: int,
        *,
        inner: int,
        first: int,
        widths: Sequence[int],
        blocks: int,
        attention: Sequence[int],
        up_attention: Sequence[int],
        entries: int | None,
    ):
        super().__init__()
        moments = 1 if entries else 2  # a mean, and a log variance
        self.encoder = Encoder(channels, moments * inner, first, widths, blocks, attention)
        self.decoder = Decoder(channels, inner, widths, blocks, up_attention)
        self.quant_conv = nn.Conv2d(moments * inner, moments * latents, 1)
        self.post_quant_conv = nn.Conv2d(latents, inner, 1)
        self.latents = latents
        self.quantize = None
        if entries:
            self.quantize = nn.Module()
            self.quantize.embedding = nn.Embedding(entries, latents)

    def encode(self, x: Tensor) -> Tensor:
        """The mean latent; of a VQModel the latent that is not yet rounded."""
        return self.quant_conv(self.encoder(x))[:, : self.latents]

    def decode(self, z: Tensor) -> Tensor:
        """The picture of a latent, rounded first by a VQModel: its gradient is passed through."""
        z = z if self.quantize is None else z + (self._nearest(z) - z).detach()
        return self.decoder(self.post_quant_conv(z))

    def _nearest(self, z: Tensor) -> Tensor:
        vectors = self.quantize.embedding.weight
        flat = z.movedim(1, -1)
        chosen = torch.cdist(flat.reshape(-1, self.latents), vectors).argmin(1)
        return vectors[chosen].reshape(flat.shape).movedim(-1, 1)


def _norm(width: int) -> nn.GroupNorm:
    return nn.GroupNorm(32, width, eps=NORM_EPS)


def _conv(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1)
