"""Scans along a trajectory made ready to solve: coil images by iterated gridding, then maps."""

import torch
from restore_operators.reconstruction.classical import cgls
from torch import Tensor

from restore.files.task import Record

from ..coils.coils import low_frequency_maps
from ..coils.espirit import espirit
from ..coils.phase import smooth_phase
from ..kspace.samples import to_kspace
from ..kspace.scale import PERCENTILE, quantile
from ..operators.noncartesian_sense import NonCartesianSense
from .scan import CALIBRATION, Scan

STEPS = 12  # of conjugate gradients for each coil's image
OUTER = 0.1  # of the samples, the farthest out, tell the noise
NORMAL = 0.6745  # the median of |n| of a standard normal n


def gridded(
    record: Record,
    noise: float | None,
    *,
    maps: str,
    calibration: int = CALIBRATION,
    phase: str = "calibration",
) -> Scan:
    """The samples in units of the 99th percentile of the gridded image, with their coil maps.

    record: (slice, coil, samples) with its `trajectory`, (samples, 2), and picture's `shape`, else
    as large as the trajectory reaches. phase: as for `restore_mri.recipes.scan.scan`.
    ValueError for maps in a file: there is no grid for them.
    """
    points = record.meta["trajectory"].float()
    size = record.meta.get("shape") or _reach(points)
    if maps not in ("espirit", "low-frequency"):
        raise ValueError("coil maps of a scan along a trajectory are estimated, not read")
    images = coil_images(record.signal, points, size)
    found = _maps(images, maps, calibration)
    combined = (found.conj() * images).sum(1)
    scale = quantile(combined.abs(), PERCENTILE).item()
    if not scale > 0:
        raise ValueError(f"{record.source}: the gridded image is black")
    std = _outer_std(record.signal, points) / scale if noise is None else noise
    if not std > 0:
        raise ValueError("the noise of a measurement must be positive")
    scan = Scan(record.signal / scale, None, found, std, scale, record)
    if phase == "free":
        return scan
    return scan.without_phase(smooth_phase(to_kspace(images), found, largest=2 * calibration))


def coil_images(samples: Tensor, points: Tensor, size: tuple[int, int]) -> Tensor:
    """Least-squares images of each coil, (slice, coil, y, x), complex."""
    one = torch.ones(1, 1, *size, dtype=torch.complex64)
    operator = NonCartesianSense((1, 1, *size), one, points)
    flat = samples.flatten(0, 1)[:, None, None]
    return cgls(flat, operator, STEPS)[:, 0, 0].unflatten(0, samples.shape[:2])


def _maps(images: Tensor, kind: str, calibration: int) -> Tensor:
    if images.shape[1] == 1:
        return torch.ones(1, 1, *images.shape[-2:], dtype=torch.complex64)
    make = espirit if kind == "espirit" else low_frequency_maps
    return make(to_kspace(images), calibration=calibration)


def _reach(points: Tensor) -> tuple[int, int]:
    """Pixels that resolve what the trajectory reaches: even numbers."""
    rows, columns = (2 * int(torch.ceil(points[..., a].abs().max())) for a in (0, 1))
    return max(rows, 2), max(columns, 2)


def _outer_std(samples: Tensor, points: Tensor) -> float:
    """Std of each part from the samples farthest out, by the median; signal there raises it."""
    radius = points.norm(dim=-1).flatten()
    far = radius >= radius.sort().values[int((1 - OUTER) * len(radius))]
    parts = torch.view_as_real(samples.flatten(2)[..., far].resolve_conj())
    return parts.abs().median().item() / NORMAL
