"""Downsampling: an antialiasing window, and one pixel kept of each block."""

from collections.abc import Sequence
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from restore.measurement.operator import LinearOperator
from restore.measurement.spectral import Spectral

from .convolution import Circular, checked_kernel, windowed
from .kernels import bicubic_kernel
from .separable import Separable, separated


class Downsample(LinearOperator):
    """y = (k * x)[::factor, ::factor]; (channels, h, w) -> (channels, h / factor, w / factor).

    kernel: (height, width), by default `bicubic_kernel(factor)`; `box_kernel(factor)` and
        `gaussian_kernel(std, size)` are others. It stands on the middle of the block of
        factor x factor pixels that an output replaces, half a pixel before it where one of the two
        is even and the other odd: an odd kernel and an even factor give (k * x)[::factor] as such.
    boundary: circular, reflect, replicate or zero: what x is beyond its edges.
    ValueError where the factor does not divide height and width.

    The normal equations are closed for a circular boundary (Zhao et al., IEEE TIP 25, 2016), and
    for the others where the kernel is a column times a row, as all named ones are.
    """

    def __init__(
        self,
        in_shape: Sequence[int],
        factor: int,
        kernel: Tensor | None = None,
        *,
        boundary: str = "circular",
    ):
        if factor != int(factor) or factor < 1:
            raise ValueError(f"a factor is a whole number of at least 1, got {factor}")
        factor = int(factor)
        kernel = checked_kernel(bicubic_kernel(factor) if kernel is None else kernel, in_shape)
        channels, height, width = in_shape
        if kernel.ndim != 2:
            raise ValueError(
                f"downsampling takes one kernel (height, width), got {kernel.ndim} axes"
            )
        if height % factor or width % factor:
            raise ValueError(
                f"the factor {factor} does not divide {height}x{width}; crop to "
                f"{height // factor * factor}x{width // factor * factor}"
            )
        super().__init__(in_shape, (channels, height // factor, width // factor))
        self.factor, self.kernel = factor, kernel
        starts = [(factor - span) // 2 for span in kernel.shape]
        frame = [(max(s, 0), max(factor - span - s, 0)) for s, span in zip(starts, kernel.shape)]
        window = F.pad(kernel.flip(0, 1), (*frame[1], *frame[0]))  # no smaller than a block
        starts = (min(starts[0], 0), min(starts[1], 0))
        self.window = (in_shape, window, starts, (factor, factor), boundary)
        self.path = windowed(*self.window)

    def _forward(self, x: Tensor) -> Tensor:
        return self.path(x)

    def _adjoint(self, y: Tensor) -> Tensor:
        return self.path.adjoint(y)

    def _solve_normal(self, b: Tensor, shift: float | Tensor, start: Tensor | None) -> Tensor:
        if self.gram is None and self.separable is None:
            return super()._solve_normal(b, shift, start)
        seen = self._solve_gram(self._forward(b), shift)
        return (b - self._adjoint(seen)) / shift  # Woodbury

    def _tikhonov(self, y: Tensor, shift: float | Tensor) -> Tensor:
        if self.gram is None and self.separable is None:
            return super()._tikhonov(y, shift)
        return self._adjoint(self._solve_gram(y, shift))

    def norm(self, steps: int = 100) -> float:
        if self.gram is not None:
            return self.gram.max().item() ** 0.5
        return super().norm(steps) if self.separable is None else self.separable.norm()

    def svd(self) -> Spectral | None:
        return None if self.separable is None else self.separable.svd()

    @cached_property
    def gram(self) -> Tensor | None:
        """The transfer function of A A^H on a circle: a convolution of small images, too."""
        if self.window[-1] != "circular":
            return None
        power = Circular(self.in_shape, self.kernel, (0, 0)).power
        correlation = torch.fft.irfft2(power, s=self.in_shape[1:])
        return torch.fft.rfft2(correlation[:: self.factor, :: self.factor]).real.contiguous()

    @cached_property
    def separable(self) -> Separable | None:
        return separated(*self.window)

    def _solve_gram(self, y: Tensor, shift: float | Tensor) -> Tensor:
        """(A A^H + shift I)^-1 y, among small images."""
        if self.gram is None:
            return self.separable.solve_gram(y, shift)
        spectrum = torch.fft.rfft2(y) / (self._like("gram", y) + shift)
        return torch.fft.irfft2(spectrum, s=self.out_shape[1:])
