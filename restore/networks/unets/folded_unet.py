"""A U-Net on a folded grid, told the noise of every value: fast where plain convolutions are.

The signal is folded (space to depth, blocks of 2) before the first convolution, as in FFDNet
(Zhang et al., TIP 2018, arXiv:1710.04026); residual blocks as in DRUNet (Zhang et al., TPAMI
2021, arXiv:2008.13751). No biases, no normalisation.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .unet import add_levels, convolution, pad_to_multiple, through_levels

FOLD = 2  # side of the blocks that become channels


class FoldedUNet(nn.Module):
    """F(x, noise): (batch, channels, *size), the same -> the same, for any size.

    noise: for every value the label ln(sigma / sigma_data) / 4. widths: channels of each level,
    from the finest, which has half the signal's resolution; blocks: residual blocks a level,
    each way.
    """

    told_every_value = True

    def __init__(
        self,
        channels: int,
        *,
        widths: Sequence[int] = (48, 96, 192),
        blocks: int = 3,
        dims: int = 2,
    ):
        super().__init__()
        self.config = {
            "channels": channels, "widths": list(widths), "blocks": blocks, "dims": dims,
        }  # fmt: skip
        self.dims = dims
        self.multiple = FOLD * 2 ** (len(widths) - 1)  # sizes are padded to a multiple of this
        folded = FOLD**dims * channels
        self.head = convolution(dims, 3 * folded, widths[0])
        add_levels(self, widths, blocks, dims)
        self.tail = convolution(dims, widths[0], folded)
        nn.init.zeros_(self.tail.weight)

    def forward(self, x: Tensor, noise: Tensor) -> Tensor:
        size = x.shape[2:]
        x, noise = (pad_to_multiple(v, self.multiple) for v in (x, noise.to(x.dtype)))
        trust = torch.sigmoid(-8 * noise)  # EDM's c_skip: the share of the value that is signal
        x = self.head(fold(torch.cat([x, noise, trust], 1)))
        x = through_levels(self, x)
        return unfold(self.tail(x))[(..., *(slice(n) for n in size))]


def fold(x: Tensor) -> Tensor:
    """Blocks of 2 samples along every axis become channels; (b, c, *size) -> (b, c 2^d, *half)."""
    dims = x.ndim - 2
    split = [n for size in x.shape[2:] for n in (size // FOLD, FOLD)]
    order = [0, 1, *range(3, 3 + 2 * dims, 2), *range(2, 2 + 2 * dims, 2)]
    halves = x.reshape(*x.shape[:2], *split).permute(order)
    return halves.reshape(len(x), -1, *(n // FOLD for n in x.shape[2:]))


def unfold(x: Tensor) -> Tensor:
    """The inverse of fold."""
    dims = x.ndim - 2
    blocks = x.reshape(len(x), -1, *(FOLD,) * dims, *x.shape[2:])
    order = [0, 1, *(axis for d in range(dims) for axis in (2 + dims + d, 2 + d))]
    return blocks.permute(order).reshape(len(x), -1, *(FOLD * n for n in x.shape[2:]))
