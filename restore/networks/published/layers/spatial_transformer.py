"""Attention to the pixels and to tokens of a condition: Rombach et al., CVPR 2022, section 3.3."""

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, scaled_dot_product_attention

NORM_EPS = 1e-6


class SpatialTransformer(nn.Module):
    """Transformer blocks over all pixels, added to x; context (batch, tokens, channels)."""

    def __init__(self, width: int, heads: int, context: int, depth: int):
        super().__init__()
        self.norm = nn.GroupNorm(32, width, eps=NORM_EPS)
        self.proj_in = nn.Conv2d(width, width, 1)
        self.transformer_blocks = nn.ModuleList(
            TransformerBlock(width, heads, context) for _ in range(depth)
        )
        self.proj_out = nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor, time: Tensor, context: Tensor | None) -> Tensor:
        h = self.proj_in(self.norm(x))
        tokens = h.flatten(2).transpose(1, 2)
        for block in self.transformer_blocks:
            tokens = block(tokens, context)
        return x + self.proj_out(tokens.transpose(1, 2).reshape(x.shape))


class TransformerBlock(nn.Module):
    """Self-attention, attention to the context, and a gated layer, each added."""

    def __init__(self, width: int, heads: int, context: int):
        super().__init__()
        self.attn1 = CrossAttention(width, heads, width)
        self.ff = nn.Module()
        self.ff.net = nn.ModuleList([Gated(width, 4 * width), nn.Identity(), _back(width)])
        self.attn2 = CrossAttention(width, heads, context)
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(width) for _ in range(3))

    def forward(self, x: Tensor, context: Tensor | None) -> Tensor:
        x = x + self.attn1(normed := self.norm1(x), normed)
        normed = self.norm2(x)
        x = x + self.attn2(normed, normed if context is None else context)
        h = self.norm3(x)
        for layer in self.ff.net:
            h = layer(h)
        return x + h


class CrossAttention(nn.Module):
    """(batch, pixels, width), (batch, tokens, context) -> (batch, pixels, width)."""

    def __init__(self, width: int, heads: int, context: int):
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(width, width, bias=False)
        self.to_k = nn.Linear(context, width, bias=False)
        self.to_v = nn.Linear(context, width, bias=False)
        self.to_out = nn.ModuleList([nn.Linear(width, width)])

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        parts = (self.to_q(x), self.to_k(context), self.to_v(context))
        q, k, v = (part.unflatten(2, (self.heads, -1)).transpose(1, 2) for part in parts)
        return self.to_out[0](scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class Gated(nn.Module):
    """a * gelu(b), where a and b are linear in x; Shazeer, arXiv:2002.05202."""

    def __init__(self, width: int, inner: int):
        super().__init__()
        self.proj = nn.Linear(width, 2 * inner)

    def forward(self, x: Tensor) -> Tensor:
        a, gate = self.proj(x).chunk(2, -1)
        return torch.mul(a, gelu(gate))


def _back(width: int) -> nn.Linear:
    return nn.Linear(4 * width, width)
