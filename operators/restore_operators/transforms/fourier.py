"""The centred orthonormal discrete Fourier transform: zero frequency in the middle."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ..pixels.diagonal import Unitary


class Fourier(Unitary):
    """y = F x over the last axes of a complex signal; *shape -> *shape.

    The origins of signal and spectrum lie at index n // 2 of each axis. Two real channels come in
    through `ChannelsToComplex`: Fourier(shape) @ ChannelsToComplex((2, height, width)).
    axes: how many of the last axes: 2 for images, 3 for volumes.
    """

    def __init__(self, in_shape: Sequence[int], axes: int = 2):
        if not 1 <= axes <= len(in_shape):
            raise ValueError(f"{axes} axes cannot be transformed of a signal of {tuple(in_shape)}")
        super().__init__(in_shape, in_shape)
        self.axes = tuple(range(-axes, 0))

    def _forward(self, x: Tensor) -> Tensor:
        return self._centred(torch.fft.fftn, x)

    def _adjoint(self, y: Tensor) -> Tensor:
        return self._centred(torch.fft.ifftn, y)

    def _centred(self, transform, x: Tensor) -> Tensor:
        if not x.is_complex():
            raise TypeError(
                f"{self}: takes complex signals, got {x.dtype}; "
                "ChannelsToComplex makes them of two real channels"
            )
        x = transform(torch.fft.ifftshift(x, self.axes), dim=self.axes, norm="ortho")
        return torch.fft.fftshift(x, self.axes)
