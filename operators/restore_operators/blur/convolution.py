"""Convolution in three ways: tap by tap with a stride, by FFT inside a frame, on a circle."""

from collections.abc import Sequence
from functools import cached_property

import torch
from torch import Tensor

from restore.measurement.checks import array_of
from restore.measurement.operator import LinearOperator
from restore.measurement.spectral import Spectral

from ..pixels.padding import Pad

# weighted copies of the image that cost as much as two real FFTs of it: measured on one CPU thread
# at 256x256 to 1536x1024, where the crossing lies at 34 on a circle and near 60 inside a frame
TAPS = 36


class Window(LinearOperator):
    """y[i, j] = sum_rc k[r, c] x[i stride + r, j stride + c]; only whole windows.

    Every tap is one weighted copy of a strided view: nothing is computed that a stride would
    throw away, and a chain's numbers do not depend on its batch.
    kernel: (height, width). stride: of rows and columns.
    """

    def __init__(self, in_shape: Sequence[int], kernel: Tensor, stride: tuple[int, int] = (1, 1)):
        channels, *size = in_shape
        counts = [(n - k) // s + 1 for n, k, s in zip(size, kernel.shape, stride, strict=True)]
        super().__init__(in_shape, (channels, *counts))
        self.stride = stride
        places = kernel.nonzero().tolist()
        self.taps = [(row, column, kernel[row, column].item()) for row, column in places]

    def _forward(self, x: Tensor) -> Tensor:
        y = x.new_zeros(len(x), *self.out_shape)
        for view, weight in self._views(x):
            y.add_(view, alpha=weight)
        return y

    def _adjoint(self, y: Tensor) -> Tensor:
        x = y.new_zeros(len(y), *self.in_shape)
        for view, weight in self._views(x):
            view.add_(y, alpha=weight)
        return x

    def _views(self, x: Tensor):
        """For each tap, the pixels it meets and its weight."""
        (down, right), (_, height, width) = self.stride, self.out_shape
        spans = (height - 1) * down + 1, (width - 1) * right + 1
        for row, column, weight in self.taps:
            yield x[..., row : row + spans[0] : down, column : column + spans[1] : right], weight


class FourierWindow(LinearOperator):
    """y[i, j] = sum_rc k[r, c] x[i + r, j + c] by FFT: for many taps, or a kernel a channel.

    kernel: (height, width) or (channels, height, width); only whole windows.
    """

    def __init__(self, in_shape: Sequence[int], kernel: Tensor):
        channels, *size = in_shape
        counts = [n - k + 1 for n, k in zip(size, kernel.shape[-2:], strict=True)]
        super().__init__(in_shape, (channels, *counts))
        self.frame = tuple(_fast(n) for n in size)
        self.transfer = torch.fft.rfft2(kernel.double(), s=self.frame).conj().resolve_conj()

    def _forward(self, x: Tensor) -> Tensor:
        return self._filtered(x, self._like("transfer", x), self.out_shape)

    def _adjoint(self, y: Tensor) -> Tensor:
        return self._filtered(y, self._like("transfer", y).conj(), self.in_shape)

    def _filtered(self, x: Tensor, transfer: Tensor, shape: Sequence[int]) -> Tensor:
        spectrum = torch.fft.rfft2(x, s=self.frame) * transfer
        return torch.fft.irfft2(spectrum, s=self.frame)[..., : shape[1], : shape[2]]


class Circular(LinearOperator):
    """y = k * x on a circle: the discrete Fourier transform makes it diagonal.

    kernel: (height, width) or (channels, height, width), also larger than the image.
    origin: the pixel of the kernel that stands on the pixel it writes.
    """

    def __init__(self, in_shape: Sequence[int], kernel: Tensor, origin: tuple[int, int]):
        super().__init__(in_shape, in_shape)
        self.transfer = torch.fft.rfft2(_wrapped(kernel, in_shape[1:], origin))

    def _forward(self, x: Tensor) -> Tensor:
        return self._filtered(x, self._like("transfer", x))

    def _adjoint(self, y: Tensor) -> Tensor:
        return self._filtered(y, self._like("transfer", y).conj())

    def _normal(self, x: Tensor) -> Tensor:
        return self._filtered(x, self._like("power", x))

    def _solve_normal(self, b: Tensor, shift: float | Tensor, start: Tensor | None) -> Tensor:
        return self._filtered(b, 1 / (self._like("power", b) + shift))

    def _tikhonov(self, y: Tensor, shift: float | Tensor) -> Tensor:
        """Wiener's filter."""
        gain = self._like("power", y) + shift
        return self._filtered(y, self._like("transfer", y).conj() / gain)

    def norm(self, steps: int = 100) -> float:
        return self.transfer.abs().max().item()

    def svd(self) -> Spectral:
        """V is the Hartley transform, real and orthonormal; U also turns each phase.

        A = P |A|, and |A|, a circular convolution with an even kernel, is diagonal in it.
        """
        return Spectral(
            values=self.values,
            to_signal=_hartley,
            from_signal=_hartley,
            from_measurement=lambda y: _hartley(self._filtered(y, self._like("phase", y).conj())),
        )

    @cached_property
    def values(self) -> Tensor:
        """|transfer function| at all frequencies, what is zero but for rounding as zero."""
        size = self.in_shape[1:]
        values = torch.fft.fft2(torch.fft.irfft2(self.transfer, s=size)).abs()
        rounding = torch.finfo(values.dtype).eps * size[0] * size[1]
        return torch.where(values > rounding * values.max(), values, 0)

    @cached_property
    def phase(self) -> Tensor:
        return torch.sgn(self.transfer) * (self.values[..., : self.transfer.shape[-1]] > 0)

    @cached_property
    def power(self) -> Tensor:
        return self.transfer.abs().square()

    def _filtered(self, x: Tensor, transfer: Tensor) -> Tensor:
        return torch.fft.irfft2(torch.fft.rfft2(x) * transfer, s=self.in_shape[1:])


def windowed(
    in_shape: Sequence[int],
    kernel: Tensor,
    starts: tuple[int, int],
    stride: tuple[int, int] = (1, 1),
    boundary: str = "circular",
) -> LinearOperator:
    """y[i, j] = sum_rc k[r, c] x[i stride + start + r, ...] with `boundary` beyond the edges.

    starts: of rows and columns, at most 0, of kernels that are no smaller than the stride.
    One output for each `stride` pixels. A kernel of rank one goes through its rows and then its
    columns; many taps without a stride, and a kernel a channel, by FFT.
    """
    sizes, spans = in_shape[1:], kernel.shape[-2:]
    pads = [
        (-start, (n // s - 1) * s + span + start - n)
        for n, start, s, span in zip(sizes, starts, stride, spans, strict=True)
    ]
    pad = Pad(in_shape, *pads, boundary)
    factors = profiles(kernel)
    if stride == (1, 1) and taps(kernel) > TAPS:
        return FourierWindow(pad.out_shape, kernel) @ pad
    if factors is None:
        return Window(pad.out_shape, kernel, stride) @ pad
    rows = Window(pad.out_shape, factors[0][:, None], (stride[0], 1))
    return Window(rows.out_shape, factors[1][None], (1, stride[1])) @ rows @ pad


def taps(kernel: Tensor) -> float:
    """Weighted copies of the image that a kernel asks for; infinite for a kernel a channel."""
    if kernel.ndim == 3:
        return float("inf")
    factors = profiles(kernel)
    parts = [kernel] if factors is None else factors
    return sum(part.count_nonzero().item() for part in parts)


def profiles(kernel: Tensor) -> tuple[Tensor, Tensor] | None:
    """The vertical and horizontal profile of a kernel of rank one, else None."""
    if kernel.ndim == 3:
        return None
    row, column = divmod(kernel.abs().argmax().item(), kernel.shape[1])
    vertical, horizontal = kernel[:, column], kernel[row] / kernel[row, column]
    error = (kernel - vertical[:, None] * horizontal).abs().max()
    # a product of rounded profiles, rounded itself
    if error > 4 * torch.finfo(kernel.dtype).eps * kernel[row, column].abs():
        return None
    return vertical, horizontal


def checked_kernel(kernel: Tensor, in_shape: Sequence[int]) -> Tensor:
    """A kernel of (height, width) or (channels, height, width) for images of in_shape."""
    kernel = array_of(kernel, "a kernel")
    if len(in_shape) != 3:
        raise ValueError(f"images are (channels, height, width), got {tuple(in_shape)}")
    right = kernel.ndim == 2 or (kernel.ndim == 3 and kernel.shape[0] == in_shape[0])
    if not right or not kernel.numel():
        raise ValueError(
            f"a kernel is (height, width) or ({in_shape[0]}, height, width), "
            f"got {tuple(kernel.shape)}"
        )
    if kernel.is_complex() or not kernel.isfinite().all() or not kernel.any():
        raise ValueError("a kernel holds finite real numbers that are not all zero")
    return kernel.detach().clone() if kernel.is_floating_point() else kernel.double()


def _wrapped(kernel: Tensor, size: Sequence[int], origin: tuple[int, int]) -> Tensor:
    """The kernel on a circle of `size`, its origin at (0, 0), what overlaps added up."""
    rows = (torch.arange(kernel.shape[-2]) - origin[0]) % size[0]
    columns = (torch.arange(kernel.shape[-1]) - origin[1]) % size[1]
    wide = torch.zeros(*kernel.shape[:-1], size[1], dtype=torch.float64)
    wide.index_add_(-1, columns, kernel.double())
    whole = torch.zeros(*kernel.shape[:-2], *size, dtype=torch.float64)
    return whole.index_add_(-2, rows, wide)


def _hartley(x: Tensor) -> Tensor:
    spectrum = torch.fft.fft2(x, norm="ortho")
    return spectrum.real - spectrum.imag


def _fast(size: int) -> int:
    """The next size without a prime factor above 5."""
    while True:
        rest = size
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return size
        size += 1
