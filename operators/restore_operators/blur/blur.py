"""Blur: convolution of an image with any kernel, at any boundary."""

from collections.abc import Sequence
from functools import cached_property

from torch import Tensor

from restore.measurement.operator import LinearOperator
from restore.measurement.spectral import Spectral

from .convolution import TAPS, Circular, checked_kernel, taps, windowed
from .separable import separated


class Blur(LinearOperator):
    """y = k * x; (channels, height, width) -> the same.

    kernel: (height, width) or (channels, height, width), of any size, also larger than the image.
        See `kernels`.
    origin: the kernel's pixel (row, column) that stands on the pixel it writes; None: the middle
        one, (height // 2, width // 2), of even sizes the second of the two.
    boundary: circular, reflect, replicate or zero: what x is beyond its edges.

    Few taps are added up one by one, many go by FFT. The normal equations are closed for a
    circular boundary, and for the others where the kernel is a column times a row.
    """

    def __init__(
        self,
        in_shape: Sequence[int],
        kernel: Tensor,
        *,
        boundary: str = "circular",
        origin: tuple[int, int] | None = None,
    ):
        super().__init__(in_shape, in_shape)
        self.kernel = checked_kernel(kernel, in_shape)
        self.boundary = boundary
        height, width = self.kernel.shape[-2:]
        origin = (height // 2, width // 2) if origin is None else origin
        if not (0 <= origin[0] < height and 0 <= origin[1] < width):
            raise ValueError(f"the origin {origin} lies outside a kernel of {height}x{width}")
        self.origin = origin
        # a convolution is a correlation with the kernel turned round
        window, starts = self.kernel.flip(-2, -1), (origin[0] - height + 1, origin[1] - width + 1)
        self.window = (in_shape, window, starts, (1, 1), boundary)
        self.circular = Circular(in_shape, self.kernel, origin) if boundary == "circular" else None
        many = taps(self.kernel) > TAPS
        self.path = self.circular if self.circular and many else windowed(*self.window)

    def _forward(self, x: Tensor) -> Tensor:
        return self.path(x)

    def _adjoint(self, y: Tensor) -> Tensor:
        return self.path.adjoint(y)

    def _normal(self, x: Tensor) -> Tensor:
        return (self.circular or self.path).normal(x)

    def _solve_normal(self, b: Tensor, shift: float | Tensor, start: Tensor | None) -> Tensor:
        if self.closed is None:
            return super()._solve_normal(b, shift, start)
        return self.closed.solve_normal(b, shift)

    def _tikhonov(self, y: Tensor, shift: float | Tensor) -> Tensor:
        if self.closed is None:
            return super()._tikhonov(y, shift)
        return self.closed.tikhonov(y, shift)

    def norm(self, steps: int = 100) -> float:
        if self.closed is not None:
            return self.closed.norm()
        return super().norm(steps) if self.miniature is self else self.miniature.norm(steps)

    def svd(self) -> Spectral | None:
        return None if self.closed is None else self.closed.svd()

    @cached_property
    def miniature(self) -> "Blur":
        """This blur on an image a few kernels wide at most; its iterated norm is as good."""
        channels, *size = self.in_shape
        spans = self.kernel.shape[-2:]
        sides = [min(n, max(64, 4 * span)) for n, span in zip(size, spans, strict=True)]
        if sides == size:
            return self
        return Blur((channels, *sides), self.kernel, boundary=self.boundary, origin=self.origin)

    @cached_property
    def closed(self) -> LinearOperator | None:
        """This blur in a form whose normal equations are closed; None where there is none."""
        return self.circular or separated(*self.window)
