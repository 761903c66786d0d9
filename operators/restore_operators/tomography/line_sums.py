"""Joseph's projector without a matrix: weights computed as they are used, in chunks; for GPUs.

Both directions gather, so that sums do not depend on the order in which threads come: forward
marches along each line, backward looks for the bins that a pixel's shadow falls on.
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from .lines import Lines, march

CHUNK_CPU, CHUNK_GPU = 2**20, 2**24  # elements of a temporary


class LineSums:
    """Sums along lines of images, in pixels; (batch, height, width) -> (batch, lines).

    lines: every ray, in pixels, (views * bins,), views first. shadow: (views, x, y) -> the bin,
    with its fraction, that each point's shadow falls on; x, y in units in which a pixel measures
    `pixel`. reach: the most bins from its shadow at which a pixel has weight.
    """

    def __init__(
        self,
        lines: Lines,
        height: int,
        width: int,
        bins: int,
        *,
        pixel: float,
        reach: float,
        shadow: Callable[[slice, Tensor, Tensor], Tensor],
    ):
        self.height, self.width, self.bins = height, width, bins
        self.pixel, self.reach, self.shadow = pixel, reach, shadow
        walk = march(lines, height, width)
        along_rows = torch.from_numpy(walk.along_rows)
        self.count = len(along_rows)  # of all lines
        self.tables = {
            name: torch.from_numpy(table)
            for name, table in (lines._asdict() | walk._asdict()).items()
            if name != "along_rows"
        }
        ways = {"by rows": along_rows, "by columns": ~along_rows}
        self.tables |= {name: way.nonzero()[:, 0] for name, way in ways.items()}
        self._moved: dict = {}

    def forward(self, images: Tensor) -> Tensor:
        sums = images.new_zeros(len(images), self.count)
        for name, planes in (("by rows", images), ("by columns", images.mT)):
            which = self._on(name, images.device)
            if not len(which):
                continue
            room, steps = planes.shape[1:]
            planes = F.pad(planes, (0, 0, 1, 2)).flatten(1)  # zeros beyond the edges
            chunk = max(1, _chunk(images) // (len(images) * steps))
            for part in which.split(chunk):
                sums[:, part] = self._marched(planes, part, room, steps)
        return sums

    def _marched(self, planes: Tensor, part: Tensor, room: int, steps: int) -> Tensor:
        """Joseph's sums; (batch, room + 3, steps) flattened -> (batch, lines)."""
        step = torch.arange(steps, device=planes.device)
        slope, intercept = (self._like(name, planes)[part] for name in ("slope", "intercept"))
        position = (intercept[:, None] + slope[:, None] * step).clamp(-1, room)
        before = position.floor()
        share = position - before
        place = (before.long() + 1) * steps + step
        values = torch.lerp(planes[:, place], planes[:, place + steps], share)
        return values.sum(-1) * self._like("length", planes)[part]

    def adjoint(self, values: Tensor) -> Tensor:
        height, width, bins = self.height, self.width, self.bins
        kind = {"device": values.device, "dtype": values.dtype}
        x, y = (axis.flatten() for axis in pixel_grid(height, width, **kind))
        images = values.new_zeros(len(values), height * width)
        views = self.count // bins
        chunk = max(1, _chunk(values) // (len(values) * len(x)))
        values = values.flatten(1)
        for start in range(0, views, chunk):
            part = slice(start, min(start + chunk, views))
            shadow = self.shadow(part, x * self.pixel, y * self.pixel)
            first = (shadow - self.reach).ceil().long()
            base = torch.arange(part.start, part.stop, device=values.device)[:, None] * bins
            for tap in range(math.floor(2 * self.reach) + 1):
                hit = first + tap
                line = base + hit.clamp(0, bins - 1)
                weight = self._footprint(line, x, y) * ((hit >= 0) & (hit < bins))
                images += (values[:, line] * weight).sum(1)
        return images.view(-1, height, width)

    def normal(self, images: Tensor) -> Tensor:
        return self.adjoint(self.forward(images))

    def _footprint(self, line: Tensor, x: Tensor, y: Tensor) -> Tensor:
        """max(0, 1 - |distance| / m) / m of pixels at x, y, where 1 / m = length."""
        cos, sin, distance, length = (
            self._like(name, x)[line] for name in ("cos", "sin", "distance", "length")
        )
        away = (distance - x * cos - y * sin).abs()
        return (1 - away * length).clamp(min=0) * length

    def _like(self, name: str, like: Tensor) -> Tensor:
        return self._on(name, like.device, like.dtype)

    def _on(self, name: str, device: torch.device, dtype: torch.dtype | None = None) -> Tensor:
        """A table on a device, moved once; in its own precision where none is named."""
        key = (name, device, dtype)
        if key not in self._moved:
            self._moved[key] = self.tables[name].to(device, dtype)
        return self._moved[key]


def pixel_grid(height: int, width: int, **kind) -> tuple[Tensor, Tensor]:
    """x to the right and y upwards of each pixel's middle, in pixels from the image's."""
    x = torch.arange(width, **kind) - (width - 1) / 2
    y = (height - 1) / 2 - torch.arange(height, **kind)
    return x.expand(height, width), y[:, None].expand(height, width)


def _chunk(like: Tensor) -> int:
    return CHUNK_CPU if like.device.type == "cpu" else CHUNK_GPU
