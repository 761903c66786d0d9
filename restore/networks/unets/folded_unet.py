"""A U-Net on a folded grid, told the noise of every value: fast where plain convolutions are.

The signal is folded (space to depth, blocks of 2) before the first convolution, as in FFDNet
(Zhang et al., TIP 2018, arXiv:1710.04026); residual blocks as in DRUNet (Zhang et al., TPAMI
2021, arXiv:2008.13751). No biases, no normalisation.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from .unet import add_levels, convolution, pad_to_multiple, spread_channels, through_levels

FOLD = 2  # side of the blocks that become channels


LEAST_KNOWN = 1.5  # the label of what has infinite noise, and of all beyond sigma_data e^6


class FoldedUNet(nn.Module):
    """F(x, noise): (batch, bands * channels, *size) both -> (batch, channels, *size), any size.

    noise: for every value the label ln(sigma / sigma_data) / 4. widths: channels of each level,
    from the finest, which has half the signal's resolution; blocks: residual blocks a level,
    each way. bands: parts of the signal, by their noise, that it sees one beside the other.
    """

    def __init__(
        self,
        channels: int,
        *,
        widths: Sequence[int] = (48, 96, 192),
        blocks: int = 3,
        dims: int = 2,
        bands: int = 1,
    ):
        super().__init__()
        self.config = {
            "channels": channels, "widths": list(widths), "blocks": blocks, "dims": dims,
        }  # fmt: skip
        if bands > 1:
            self.config["bands"] = bands
        self.told = "map" if bands == 1 else "bands"
        self.dims = dims
        self.multiple = FOLD * 2 ** (len(widths) - 1)  # sizes are padded to a multiple of this
        folded = FOLD**dims * channels
        self.head = convolution(dims, 3 * bands * folded, widths[0])
        add_levels(self, widths, blocks, dims)
        self.tail = convolution(dims, widths[0], folded)
        nn.init.zeros_(self.tail.weight)

    def forward(self, x: Tensor, noise: Tensor) -> Tensor:
        size = x.shape[2:]
        noise = noise.to(x.dtype).clamp(max=LEAST_KNOWN)
        x, noise = (pad_to_multiple(v, self.multiple) for v in (x, noise))
        trust = torch.sigmoid(-8 * noise)  # EDM's c_skip: the share of the value that is signal
        x = self.head(fold(torch.cat([x, noise, trust], 1)))
        x = through_levels(self, x)
        return unfold(self.tail(x))[(..., *(slice(n) for n in size))]

    def begun_head(self, weight: Tensor, given: Mapping[str, Any]) -> Tensor:
        """The first layer's weights from those of a network of other channels and bands.

        All bands enter as the one did; only the first one's labels are heard at first.
        """
        theirs, mine = given["channels"], self.config["channels"]
        bands, had = (config.get("bands", 1) for config in (self.config, given))
        kinds = weight.unflatten(1, (3, had, -1))  # signal, label and trust
        kinds = spread_channels(kinds, 3, theirs, mine) * (theirs / mine)
        if had < bands:
            unheard = torch.zeros_like(kinds).expand(-1, -1, bands - 1, *kinds.shape[3:]).clone()
            unheard[:, 0] = kinds[:, 0]
            kinds = torch.cat([kinds, unheard], 2)
        return kinds.flatten(1, 3)


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
