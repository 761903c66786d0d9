"""The Radon transform: sums of images along parallel lines, by the matched pair of Joseph."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from .filtering import ramp_kernel, view_shares
from .lines import Lines
from .projector import MATRIX_LIMIT, PITCH, PIXEL, Projector, positive


class Radon(Projector):
    """Parallel beam: y[view, bin] = integral of x along x cos(theta) + y sin(theta) = s.

    (..., height, width) -> (..., views, bins), in units of x times mm.
    angles: theta of each view, in radians, counter-clockwise; at 0 rays run along image columns,
        at pi / 2 along rows.
    bins: by default enough for the image's diagonal.
    pitch, offset: mm; s_j = (j - (bins - 1) / 2) pitch + offset. The axis of rotation meets the
        middle of the image, ((height - 1) / 2, (width - 1) / 2), and the detector at s = 0: where
        it falls on bin c, the offset is ((bins - 1) / 2 - c) pitch (see `axis_offset`).
    pixel: mm; rays are thin, so bins much wider than pixels leave pixels out of a view.
    memory_limit: bytes that the matrix may take (`matrix_bytes` says what it would).
    ValueError where angles are missing or not finite, or a size is not positive.
    """

    def __init__(
        self,
        in_shape: Sequence[int],
        angles: Tensor | Sequence[float],
        bins: int | None = None,
        *,
        pitch: float = 1.0,
        offset: float = 0.0,
        pixel: float = 1.0,
        memory_limit: int = MATRIX_LIMIT,
    ):
        pitch, pixel = positive(pitch, PITCH), positive(pixel, PIXEL)
        if bins is None:
            bins = math.ceil(math.hypot(*in_shape[-2:]) * pixel / pitch)
        options = {"pitch": pitch, "offset": offset, "pixel": pixel, "memory_limit": memory_limit}
        super().__init__(in_shape, angles, bins, **options)

    @property
    def lines(self) -> Lines:
        return Lines.at(self.angles.numpy()[:, None], self.positions.numpy() / self.pixel)

    @property
    def reach(self) -> float:
        return self.pixel / self.pitch + 1e-3  # the footprint is no wider; rounding of shadows

    @property
    def geometry(self) -> tuple:
        return (self.pitch / self.pixel, self.offset / self.pixel)

    def shadow(self, views: slice, x: Tensor, y: Tensor) -> Tensor:
        cos, sin = self._like("cosines", x)[views], self._like("sines", x)[views]
        return (x * cos + y * sin - self.offset) / self.pitch + (self.bins - 1) / 2

    @property
    def fbp_weights(self) -> Tensor:
        return view_shares(self.angles, math.pi)[:, None]

    @property
    def fbp_kernel(self) -> Tensor:
        return ramp_kernel(self.bins, self.pitch)

    def fbp_fading(self, views: slice, x: Tensor, y: Tensor) -> float:
        return 1.0

    def of_views(self, indices: Tensor | Sequence[int]) -> "Radon":
        options = {name: getattr(self, name) for name in ("pitch", "offset", "pixel")}
        angles = self.angles[torch.as_tensor(indices)]
        return Radon(self.in_shape, angles, self.bins, memory_limit=self.memory_limit, **options)


def axis_offset(centre: float, bins: int, pitch: float = 1.0) -> float:
    """The detector's offset, in mm, for an axis of rotation that falls on bin `centre`."""
    return ((bins - 1) / 2 - centre) * pitch
