"""Filtered backprojection: a direct reconstruction from many views; no pseudo-inverse of A.

Kak & Slaney, Principles of Computerized Tomographic Imaging, 1988, sections 3.3 and 3.4.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from .line_sums import pixel_grid
from .projector import Projector

WINDOWS = {  # of frequencies in [0, 1], 1 the highest that the detector samples
    "ramp": torch.ones_like,
    "shepp-logan": lambda f: torch.sinc(f / 2),
    "cosine": lambda f: torch.cos(math.pi / 2 * f),
    "hamming": lambda f: 0.54 + 0.46 * torch.cos(math.pi * f),
    "hann": lambda f: 0.5 + 0.5 * torch.cos(math.pi * f),
}
CHUNK = 2**20  # elements of a temporary


def fbp(sinogram: Tensor, operator: Projector, filter: str = "ramp") -> Tensor:
    """An image from its line integrals; (batch, ..., views, bins) -> (batch, ..., height, width).

    operator: `Radon` or `FanBeam`, with views over any arc and in any order, each weighted by its
        share of the arc; rays that measure one line twice share it (`redundancy`).
    filter: ramp, shepp-logan, cosine, hamming or hann, from sharp to smooth.
    KeyError for an unknown filter, TypeError for another operator, ValueError for another shape.
    """
    if not isinstance(operator, Projector):
        raise TypeError(f"filtered backprojection needs Radon or FanBeam, got {operator}")
    if filter not in WINDOWS:
        raise KeyError(f"no filter is called {filter!r}; there are {', '.join(WINDOWS)}")
    if tuple(sinogram.shape[1:]) != operator.out_shape:
        raise ValueError(
            f"{operator}: the sinogram must be a batch of {operator.out_shape}, "
            f"got {tuple(sinogram.shape)}"
        )
    exact = sinogram if sinogram.dtype == torch.float64 else sinogram.float()
    values = exact.reshape(-1, *operator.out_shape[-2:]) * operator.fbp_weights.to(exact)
    images = _backprojected(_filtered(values, operator.fbp_kernel, filter), operator)
    return images.reshape(len(sinogram), *operator.in_shape).to(sinogram.dtype)


def _filtered(values: Tensor, kernel: Tensor, filter: str) -> Tensor:
    """Convolved along the detector with a kernel of 2 bins - 1 taps; same shape."""
    bins = values.shape[-1]
    length = 1 << (2 * bins - 1).bit_length()  # room for all that is kept not to wrap around
    frequency = torch.linspace(0, 1, length // 2 + 1, dtype=torch.float64)
    response = torch.fft.rfft(kernel, length) * WINDOWS[filter](frequency)
    spectrum = torch.fft.rfft(values, length)
    found = torch.fft.irfft(spectrum * response.to(spectrum), length)
    return found[..., bins - 1 : 2 * bins - 1]


def _backprojected(values: Tensor, operator: Projector) -> Tensor:
    """Each pixel sums what its shadows fall on, between two bins; (batch, height, width)."""
    kind = {"device": values.device, "dtype": values.dtype}
    height, width = operator.in_shape[-2:]
    x, y = (axis.flatten() * operator.pixel for axis in pixel_grid(height, width, **kind))
    images = values.new_zeros(len(values), height * width)
    views, bins = operator.out_shape[-2:]
    padded = F.pad(values, (1, 2)).flatten(1)  # nothing beyond the detector
    chunk = max(1, CHUNK // (len(values) * len(x)))
    for start in range(0, views, chunk):
        part = slice(start, min(start + chunk, views))
        shadow = operator.shadow(part, x, y).clamp(-1, bins)
        before = shadow.floor()
        row = torch.arange(part.start, part.stop, device=values.device)[:, None] * (bins + 3)
        place = row + before.long() + 1
        found = torch.lerp(padded[:, place], padded[:, place + 1], shadow - before)
        images += (found * operator.fbp_fading(part, x, y)).sum(1)
    return images.view(-1, height, width)
