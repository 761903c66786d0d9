"""Fan beam: rays from a point source to a flat or curved row of detector bins."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from .filtering import ramp_kernel, redundancy, view_shares
from .lines import Lines
from .projector import MATRIX_LIMIT, Projector, positive


class FanBeam(Projector):
    """y[view, bin] = integral of x along the ray from the source to the bin.

    (..., height, width) -> (..., views, bins), in units of x times mm.
    angles: beta of each view, in radians. The source stands at source_radius (sin, -cos)(beta),
        below the image at 0, and turns counter-clockwise; the middle of the detector stands
        opposite, and its bins run along (cos, sin)(beta). Far sources give `Radon` at beta.
    source_radius, detector_radius: mm from the axis of rotation to the source and the detector.
    curved: bins on an arc around the source (equal angles), else on a straight line.
    pitch, offset: mm along the detector; s_j = (j - (bins - 1) / 2) pitch + offset.
    pixel: mm. memory_limit: bytes that the matrix may take (`matrix_bytes` says what it would).
    ValueError as for `Radon`, and where the source stands within the image.
    """

    def __init__(
        self,
        in_shape: Sequence[int],
        angles: Tensor | Sequence[float],
        bins: int,
        *,
        source_radius: float,
        detector_radius: float,
        curved: bool = False,
        pitch: float = 1.0,
        offset: float = 0.0,
        pixel: float = 1.0,
        memory_limit: int = MATRIX_LIMIT,
    ):
        options = {"pitch": pitch, "offset": offset, "pixel": pixel, "memory_limit": memory_limit}
        super().__init__(in_shape, angles, bins, **options)
        self.curved = curved
        self.source_radius = positive(source_radius, "the distance of the source")
        self.detector_radius = float(detector_radius)
        if not 0 <= self.detector_radius < math.inf:
            raise ValueError(f"the distance of the detector is negative: {detector_radius}")
        self.span = self.source_radius + self.detector_radius  # source to detector, mm
        self.radius = math.hypot(self.height, self.width) / 2 * self.pixel
        if self.source_radius <= self.radius + self.pixel:
            raise ValueError(
                f"{self}: the source, {source_radius} mm from the axis, stands within the image, "
                f"whose corners are at {self.radius:.4g} mm"
            )
        if curved and self.positions.abs().max() >= self.span * math.pi / 2:
            raise ValueError(f"{self}: the detector reaches behind the source")

    @property
    def fan_angles(self) -> Tensor:
        """gamma of each bin, the angle of its ray with the middle one; (bins,), float64."""
        tangent = self.positions / self.span
        return tangent if self.curved else tangent.atan()

    @property
    def lines(self) -> Lines:
        gamma = self.fan_angles.numpy()
        distance = self.source_radius / self.pixel * np.sin(gamma)
        return Lines.at(self.angles.numpy()[:, None] - gamma, distance)

    @property
    def reach(self) -> float:
        near = self.source_radius - self.radius  # of a pixel to the source, at least
        aside = math.asin(min(1.0, self.pixel / near))  # half a footprint, seen from the source
        edge = math.asin(self.radius / self.source_radius)
        edge = min(edge, self.fan_angles.abs().max().item() + aside) + aside
        if edge >= math.pi / 2:
            return float(self.bins)
        stretch = 1.0 if self.curved else 1 / math.cos(edge) ** 2
        return aside * stretch * self.span / self.pitch + 1e-3  # and the rounding of shadows

    @property
    def geometry(self) -> tuple:
        lengths = (self.pitch, self.offset, self.source_radius, self.detector_radius)
        return (self.curved, *(length / self.pixel for length in lengths))

    def shadow(self, views: slice, x: Tensor, y: Tensor) -> Tensor:
        ahead, aside = self.seen(views, x, y)
        along = torch.atan2(aside, ahead) if self.curved else aside / ahead
        return (along * self.span - self.offset) / self.pitch + (self.bins - 1) / 2

    def seen(self, views: slice, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """How far ahead of the source a point lies, and how far aside, in mm; (views, points)."""
        cos, sin = self._like("cosines", x)[views], self._like("sines", x)[views]
        return self.source_radius - x * sin + y * cos, x * cos + y * sin

    @property
    def fbp_weights(self) -> Tensor:
        """Share of the view, share of the line, and the cosine of the ray (sections 3.4.1-2)."""
        shares = view_shares(self.angles, 2 * math.pi)[:, None]
        return shares * redundancy(self.angles, self.fan_angles) * self.fan_angles.cos()

    @property
    def fbp_kernel(self) -> Tensor:
        """The ramp in mm at the axis of rotation; of equal angles, stretched by (g / sin g)^2."""
        kernel = ramp_kernel(self.bins, self.pitch * self.source_radius / self.span)
        if not self.curved:
            return kernel
        apart = torch.arange(1 - self.bins, self.bins, dtype=torch.float64) * self.pitch / self.span
        return kernel / torch.sinc(apart / math.pi) ** 2

    def fbp_fading(self, views: slice, x: Tensor, y: Tensor) -> Tensor:
        ahead, aside = self.seen(views, x, y)
        return self.source_radius**2 / (ahead**2 + aside**2 if self.curved else ahead**2)

    def of_views(self, indices: Tensor | Sequence[int]) -> "FanBeam":
        names = ("source_radius", "detector_radius", "curved", "pitch", "offset", "pixel")
        options = {name: getattr(self, name) for name in names}
        angles = self.angles[torch.as_tensor(indices)]
        return FanBeam(self.in_shape, angles, self.bins, memory_limit=self.memory_limit, **options)
