"""The point spread of a beam: an axial pulse times a lateral profile, in depth alike or not."""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from restore_operators import Separable
from torch import Tensor

from restore.measurement.operator import LinearOperator


def pulse(carrier: float, bandwidth: float) -> Tensor:
    """A Gaussian pulse's samples, (taps,), odd, 1 at its middle.

    carrier: cycles per sample, 0 of demodulated data. bandwidth: full width at half maximum of the
    spectrum's magnitude, in cycles per sample.
    """
    if not bandwidth > 0:
        raise ValueError(f"a pulse's bandwidth is positive, got {bandwidth}")
    std = 2 * math.sqrt(2 * math.log(2)) / (2 * math.pi * bandwidth)  # of the Gaussian in samples
    place = _places(std)
    return torch.exp(-0.5 * (place / std) ** 2) * torch.cos(2 * math.pi * carrier * place)


def beam(width: float) -> Tensor:
    """A Gaussian beam across lines, (taps,), 1 in all; width: full, at half maximum, in lines."""
    if not width > 0:
        raise ValueError(f"a beam's width is positive, got {width}")
    std = width / (2 * math.sqrt(2 * math.log(2)))
    taps = torch.exp(-0.5 * (_places(std) / std) ** 2)
    return taps / taps.sum()


def point_spread(shape: Sequence[int], axial: Tensor, lateral: Tensor) -> Separable:
    """y = h_z *_z x *_x h_x on (channels, depth, lines); nothing comes in from outside the frame.

    axial, lateral: odd taps. Singular values are known, so that solves are closed.
    """
    return Separable(shape, toeplitz(axial, shape[1]), toeplitz(lateral, shape[2]))


def toeplitz(taps: Tensor, size: int) -> Tensor:
    """The matrix (size, size) of a convolution with odd taps, zero outside; float64."""
    if taps.ndim != 1 or len(taps) % 2 == 0:
        raise ValueError(f"taps are odd in number, (taps,), got {tuple(taps.shape)}")
    half = len(taps) // 2
    matrix = torch.zeros(size, size, dtype=torch.float64)
    for k, tap in enumerate(taps.tolist()):
        offset = half - k
        if abs(offset) < size:
            matrix.diagonal(offset).add_(tap)
    return matrix


class DepthVarying(LinearOperator):
    """y = sum_k w_k(z) (h_k * x): point spreads of a few depths, blended linearly in between.

    The product-convolution model (Escande & Weiss, SIIMS 2017): w_k are the hat functions of the
    depths, 1 in all. spreads: `point_spread` operators, from the shallowest on, evenly spaced from
    the first sample of the frame to its last.
    """

    def __init__(self, spreads: Sequence[LinearOperator]):
        shapes = {(s.in_shape, s.out_shape) for s in spreads}
        if len(spreads) < 2 or len(shapes) != 1:
            raise ValueError(f"need two point spreads or more of one shape, got {len(spreads)}")
        ((shape, out),) = shapes
        super().__init__(shape, out)
        self.spreads = tuple(spreads)
        place = torch.linspace(0, len(spreads) - 1, shape[1], dtype=torch.float64)
        hats = [(1 - (place - k).abs()).clamp_min(0) for k in range(len(spreads))]
        self.weights = torch.stack(hats)[:, :, None]  # (spreads, depth, 1)

    def _forward(self, x: Tensor) -> Tensor:
        weights = self._like("weights", x)
        return sum(w * spread(x) for w, spread in zip(weights, self.spreads, strict=True))

    def _adjoint(self, y: Tensor) -> Tensor:
        weights = self._like("weights", y)
        return sum(s.adjoint(w * y) for w, s in zip(weights, self.spreads, strict=True))


def estimated_taps(signal: Tensor, axis: int, reach: int = 24) -> Tensor:
    """The zero-phase taps, (2 reach + 1,), whose autocorrelation is a signal's along an axis.

    signal: (..., depth, lines), real or complex; of speckle, which is white before the beam
    smooths it, that is the point spread but for its phase (Jensen et al., UFFC 1993). Scaled to a
    sum of squares of 1.
    """
    moved = signal.movedim(axis, -1)
    length = 2 * moved.shape[-1]
    power = torch.fft.fft(moved, length).abs().square().flatten(0, -2).mean(0)
    correlation = torch.fft.ifft(power).real[: reach + 1]
    taper = 0.5 + 0.5 * torch.cos(math.pi * torch.arange(reach + 1) / (reach + 1))
    smooth = correlation * taper.to(correlation)
    spectrum = torch.fft.rfft(torch.cat([smooth, F.pad(smooth[1:].flip(0), (0, 0))])).real
    taps = torch.fft.irfft(spectrum.clamp_min(0).sqrt(), 2 * reach + 1)
    taps = torch.fft.fftshift(taps)
    return taps / taps.square().sum().sqrt()


def _places(std: float) -> Tensor:
    reach = max(1, math.ceil(4 * std))
    return torch.arange(-reach, reach + 1, dtype=torch.float64)
