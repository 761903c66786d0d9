"""Pictures of twice and half the size by a short symmetric filter, zero beyond the edge."""

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d, conv_transpose2d, interpolate

FIR = (1.0, 3.0, 3.0, 1.0)  # of StyleGAN 2 and NCSN++


def kernel_of(taps: tuple[float, ...], like: Tensor) -> Tensor:
    """The separable filter that sums to one; (1, 1, n, n)."""
    row = torch.tensor(taps, dtype=like.dtype, device=like.device)
    return row.outer(row)[None, None] / row.sum() ** 2


def enlarged(x: Tensor, kernel: Tensor) -> Tensor:
    """Zeros between the pixels, filtered, times 4; (batch, c, h, w) -> (batch, c, 2h, 2w)."""
    channels, reach = x.shape[1], (kernel.shape[-1] - 1) // 2
    kernel = 4 * kernel.expand(channels, 1, -1, -1)
    return conv_transpose2d(x, kernel, stride=2, padding=reach, groups=channels)


def shrunk(x: Tensor, kernel: Tensor, padding: int | None = None) -> Tensor:
    """Filtered, every second pixel; (batch, c, h, w) -> (batch, c, h / 2, w / 2)."""
    channels, reach = x.shape[1], (kernel.shape[-1] - 1) // 2
    padding = reach if padding is None else padding
    kernel = kernel.expand(channels, 1, -1, -1)
    return conv2d(x, kernel, stride=2, padding=padding, groups=channels)


def resized(x: Tensor, way: str, fir: bool) -> Tensor:
    """x "up" or "down" by two, with the filter 1 3 3 1 or by blocks of 2 x 2."""
    if fir:
        return (enlarged if way == "up" else shrunk)(x, kernel_of(FIR, x))
    return interpolate(x, scale_factor=2.0) if way == "up" else avg_pool2d(x, 2)
