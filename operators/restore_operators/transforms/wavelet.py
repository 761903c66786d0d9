"""Daubechies' orthonormal wavelets over images; Daubechies, Comm. Pure Appl. Math. 41, 1988."""

import math
from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from ..pixels.diagonal import Unitary


class Wavelet(Unitary):
    """Wavelet coefficients over the last two axes, periodic; (..., height, width) -> the same.

    The approximation stands in the corner [: height / 2^levels, : width / 2^levels] and the details
    of each level around it (Mallat's layout). Takes real and complex signals.
    levels: each halves both sizes. moments: vanishing moments; 1 is Haar's wavelet, 4 db4.
    ValueError unless 2^levels divides height and width.
    """

    def __init__(self, in_shape: Sequence[int], levels: int, moments: int = 4):
        super().__init__(in_shape, in_shape)
        height, width = self.in_shape[-2:]
        if levels < 0 or height % 2**levels or width % 2**levels:
            raise ValueError(f"{levels} levels need sizes that 2^{levels} divides, got {in_shape}")
        self.levels, self.low = levels, daubechies(moments)
        self.high = self.low.flip(0) * (-1.0) ** torch.arange(len(self.low))

    def _forward(self, x: Tensor) -> Tensor:
        x = x.clone()
        for height, width in self._corners():
            corner = x[..., :height, :width]
            x[..., :height, :width] = self._split(self._split(corner, -1), -2)
        return x

    def _adjoint(self, y: Tensor) -> Tensor:
        y = y.clone()
        for height, width in reversed(self._corners()):
            corner = y[..., :height, :width]
            y[..., :height, :width] = self._merged(self._merged(corner, -2), -1)
        return y

    @cached_property
    def details(self) -> Tensor:
        """1 where a coefficient is one of the details, 0 in the approximation; (height, width)."""
        height, width = self.in_shape[-2:]
        details = torch.ones(height, width)
        details[: height >> self.levels, : width >> self.levels] = 0
        return details

    def _corners(self) -> list[tuple[int, int]]:
        height, width = self.in_shape[-2:]
        return [(height >> level, width >> level) for level in range(self.levels)]

    def _split(self, x: Tensor, axis: int) -> Tensor:
        """low_i = sum_k h_k x_(2 i + k) in the first half of an axis, high_i in the second."""
        pairs = x.unflatten(axis, (-1, 2)).unbind(axis)
        halves = []
        for taps in (self.low, self.high):
            terms = [
                tap * pairs[k % 2].roll(-(k // 2), axis) for k, tap in enumerate(taps.tolist())
            ]
            halves.append(sum(terms))
        return torch.cat(halves, axis)

    def _merged(self, y: Tensor, axis: int) -> Tensor:
        """The adjoint of `_split`, its inverse."""
        low, high = y.chunk(2, axis)
        pair = []
        for parity in (0, 1):
            taps = zip(self.low[parity::2].tolist(), self.high[parity::2].tolist(), strict=True)
            terms = [
                h * low.roll(m, axis) + g * high.roll(m, axis) for m, (h, g) in enumerate(taps)
            ]
            pair.append(sum(terms))
        return torch.stack(pair, axis).flatten(axis - 1, axis)


def daubechies(moments: int) -> Tensor:
    """The low-pass filter of extremal phase with so many vanishing moments; (2 moments,), float64.

    Its power is that of cos^2moments times a polynomial P in sin^2; of each pair z, 1 / z of the
    roots that P has in z the one inside the unit circle is taken (spectral factorisation).
    """
    if not 1 <= moments <= 20:
        raise ValueError(f"vanishing moments must be in 1..20, got {moments}")
    polynomial = [math.comb(moments - 1 + k, k) for k in range(moments)][::-1]
    halves = 1 - 2 * np.roots(polynomial)  # sin^2 = (2 - z - 1 / z) / 4
    roots = halves + np.sqrt(halves**2 - 1 + 0j)
    roots = np.where(abs(roots) < 1, roots, 1 / roots) if len(roots) else roots
    taps = np.real(np.poly([*[-1.0] * moments, *roots]))
    return torch.from_numpy(taps * math.sqrt(2) / taps.sum())
