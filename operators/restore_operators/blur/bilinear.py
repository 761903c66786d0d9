"""Blur by a kernel that is not known: the image and its kernel are one signal."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from restore.measurement.operator import Operator


class BilinearBlur(Operator):
    """y = k * x, circular; (values of x, then of k) -> (channels, height, width).

    image: (channels, height, width). kernel: (rows, columns), no larger than the image; its origin
    is (rows // 2, columns // 2), as in `Blur`, and it is the same for all channels. The signal is
    laid out as a joint prior of both is, x flattened, then k. Linear in each, not in both.
    """

    def __init__(self, image: Sequence[int], kernel: Sequence[int]):
        self.image, self.kernel = tuple(image), tuple(kernel)
        if len(self.kernel) != 2 or any(k > n for k, n in zip(self.kernel, self.image[1:])):
            raise ValueError(f"no kernel of {self.kernel} fits into an image of {self.image}")
        super().__init__((math.prod(self.image) + math.prod(self.kernel),), self.image)
        self.size = self.image[1:]
        self.shift = tuple(-(k // 2) for k in self.kernel)

    def parts(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Images (batch, *image) and kernels (batch, *kernel) of signals (batch, values)."""
        x, k = z.split([math.prod(self.image), math.prod(self.kernel)], 1)
        return x.unflatten(1, self.image), k.unflatten(1, self.kernel)

    def _forward(self, z: Tensor) -> Tensor:
        x, k = self._spectra(z)
        return torch.fft.irfft2(x * k, s=self.size)

    def vjp(self, x: Tensor, v: Tensor) -> Tensor:
        image, kernel = self._spectra(self._checked(x, self.in_shape, "input"))
        back = torch.fft.rfft2(self._checked(v, self.out_shape, "output"))
        to_image = torch.fft.irfft2(back * kernel.conj(), s=self.size)
        to_frame = torch.fft.irfft2((back * image.conj()).sum(1), s=self.size)
        rows, columns = self.kernel
        to_kernel = to_frame.roll([-n for n in self.shift], (1, 2))[:, :rows, :columns]
        return torch.cat([to_image.flatten(1), to_kernel.flatten(1)], 1)

    def _spectra(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """The spectra of image and kernel, the kernel in a frame of the image's size, origin first.

        (batch, channels, height, columns), (batch, 1, height, columns).
        """
        x, k = self.parts(z)
        frame = torch.nn.functional.pad(
            k, (0, self.size[1] - self.kernel[1], 0, self.size[0] - self.kernel[0])
        )
        return torch.fft.rfft2(x), torch.fft.rfft2(frame.roll(self.shift, (1, 2)))[:, None]
