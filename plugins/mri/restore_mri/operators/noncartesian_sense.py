"""Multi-coil MRI along any trajectory: radial, spiral (Pruessmann et al., 2001)."""

from collections.abc import Sequence

import torch
from restore_operators.pixels.channels import ChannelsToComplex
from restore_operators.transforms.nufft import NUFFT, largest_value
from torch import Tensor

from restore.measurement.operator import LinearOperator

from .sense import CACHED, LARGE, add_products, checked_maps


class NonCartesianSense(LinearOperator):
    """y = F S x at the points of a trajectory; complex (frames, slice, y, x) -> (..., samples).

    points: (..., 2) in cycles per field of view, (ky, kx), the same for all slices and frames: y is
        (frames * slice, coil, samples). Of three columns, (kz, ky, kx), they encode the slice axis
        too, and y is (frames, coil, samples).
    maps: (slice or 1, coil, y, x), complex. weights, eps: see `NUFFT`, whose scale this has.

    The normal operator is exact, by FFTs of twice the size (Toeplitz); solves are iterated.
    ValueError for maps and points that do not fit.
    """

    def __init__(
        self,
        in_shape: Sequence[int],
        maps: Tensor,
        points: Tensor,
        *,
        weights: Tensor | None = None,
        eps: float = 1e-6,
    ):
        maps = checked_maps(maps, in_shape)
        frames, slices, *plane = in_shape
        volume = points.shape[-1] == 3
        size = in_shape[1:] if volume else plane
        self.nufft = NUFFT(size, points, weights=weights, eps=eps)
        rows = frames if volume else frames * slices
        super().__init__(in_shape, (rows, maps.shape[1], *self.nufft.out_shape))
        self.coils = maps.transpose(0, 1).contiguous()  # (coil, slice or 1, y, x)
        self.separate = () if volume else (slices,)

    def _forward(self, x: Tensor) -> Tensor:
        coils = self._like("coils", x)
        images = coils * x[:, :, None]  # (batch, frames, coil, slice, y, x)
        y = self.nufft(images.reshape(-1, *self.nufft.in_shape))
        y = y.reshape(*images.shape[:3], *self.separate, -1)
        return y.movedim(2, -2).flatten(1, -3)

    def _adjoint(self, y: Tensor) -> Tensor:
        y = y.unflatten(1, (self.in_shape[0], *self.separate)).movedim(-2, 2)
        images = self.nufft.adjoint(y.reshape(-1, *self.nufft.out_shape))
        images = images.reshape(*y.shape[:3], *self.in_shape[1:])
        return (self._like("coils", y).conj() * images).sum(2)

    def _normal(self, x: Tensor) -> Tensor:
        coils, found = self._like("coils", x), torch.zeros_like(x)
        room = CACHED if x.device.type == "cpu" else LARGE
        step = max(1, room // (2 ** len(self.nufft.size) * x[0].numel() * len(x)))
        for some in coils.split(step):
            images = self.nufft.normal((some * x[:, :, None]).flatten(0, 2 + len(self.separate)))
            images = images.reshape(*x.shape[:2], len(some), *x.shape[2:])
            for frame in range(x.shape[1]):
                add_products(found[:, frame], some.conj(), images[:, frame])
        return found

    def norm(self, steps: int = 30) -> float:
        if "norm" not in self._moved:
            self._moved["norm"] = largest_value(self.normal, self.in_shape, steps)
        return self._moved["norm"]


def noncartesian_sense(
    in_shape: Sequence[int],
    maps: Tensor,
    points: Tensor,
    *,
    weights: Tensor | None = None,
    eps: float = 1e-6,
) -> LinearOperator:
    """`NonCartesianSense` for a prior of two real channels; (2 frames, slice, y, x)."""
    channels = ChannelsToComplex(in_shape)
    return NonCartesianSense(channels.out_shape, maps, points, weights=weights, eps=eps) @ channels
