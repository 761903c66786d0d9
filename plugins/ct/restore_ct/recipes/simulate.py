"""Scans of volumes that are known: photons through an image that is finer than the answer will be.

Reconstructing with the very operator that made the data flatters every method (an inverse crime).
So the image is interpolated to twice the pixels each way, projected on a detector of twice the
bins, and the photons of each two bins are counted together; `same_grid` asks for the crime.
"""

import math
from collections.abc import Mapping

import torch
from restore_operators.tomography.radon import Radon
from torch import Tensor
from torch.nn import functional

from restore.files.task import Record
from restore.measurement.checks import sizes
from restore.measurement.not_gaussian import Transmission
from restore.measurement.signal import ChainNoise

from .. import physics
from ..noise import as_sinogram
from ..scan import positive, scan

FINER = 2  # times the pixels, and the bins, that are reconstructed
AT_ONCE = 8  # slices
SQUARE = 1e-3  # by how much the sides of a square pixel may differ


def simulate(
    record: Record,
    noise: float | None,
    seed: int,
    *,
    views: int = 60,
    counts: float = 1e5,
    arc: float = 180.0,
    electronic: float = 0.0,
    same_grid: bool = False,
    slice: int | None = None,
    pixel: float | None = None,
    air: float | None = None,
    water: float | None = None,
) -> Mapping[str, Record]:
    """A scan with a parallel beam: measurement.h5, and reference.h5 to compare with, in HU.

    What is below the attenuation of nothing, as padding is, is taken for nothing, -1000 HU.

    views: how many, evenly over the arc
    counts: photons that set out on each ray
    arc: degrees that the views cover; less than 180 is a limited angle
    electronic: standard deviation of the read-out's noise, in photons
    same_grid: project the image on the grid it will be reconstructed on, an inverse crime
    slice: only this one, counted from 0
    pixel: mm, where the file does not tell
    air: the file's value of air, where it is not in Hounsfield units
    water: the file's value of water
    """
    if noise is not None:
        raise ValueError("the noise of a scan is that of its photons: give counts and electronic")
    truth, mm = _truth(record, slice, air, water), _pixel(record, pixel)
    angles = _angles(views, arc)
    mu = physics.attenuation(truth).clamp(min=0)
    fine = mu if same_grid else _finer(mu)
    bins = math.ceil(math.hypot(*mu.shape[-2:]))
    law = Transmission(positive("counts", counts), electronic)
    clean = _line_integrals(fine, angles, bins, mm, fine.shape[-1] // mu.shape[-1])
    slices = range(len(clean)) if slice is None else [slice]
    geometry = _geometry(record, slice)
    measurement = scan(
        law.draw(clean, ChainNoise(seed, slices)),
        record.source,
        angles=angles,
        pitch=mm,
        centre=0.0,
        shape=tuple(mu.shape[-2:]),
        pixel=mm,
        counts0=counts,
        electronic=electronic,
        mu_water=physics.MU_WATER,
        geometry=geometry,
        operator=_in_words(views, arc, bins, mm, law, same_grid),
        format="hdf5",
    )
    meta = {"geometry": geometry, "units": "HU", "modality": "CT", "format": "hdf5"}
    reference = Record(physics.hounsfield(mu)[None], "volume", record.source, meta)
    return {"measurement.h5": as_sinogram(measurement), "reference.h5": reference}


def _truth(record: Record, index: int | None, air: float | None, water: float | None) -> Tensor:
    """Hounsfield units, (z, y, x)."""
    volume = record.signal
    if volume.ndim == 3 and len(volume) == 1:  # a grey picture
        volume = volume[None]
    if volume.ndim != 4 or len(volume) != 1 or volume.is_complex():
        raise ValueError(f"a volume is (1, z, y, x) and real, got {sizes(volume.shape)}")
    if (air is None) != (water is None) or (air is not None and air == water):
        raise ValueError("air and water go together: two different values of the file")
    if air is not None:
        volume = 1000 * (volume - water) / (water - air)
    elif record.meta.get("units") != "HU":
        raise ValueError(
            f"the values are in '{record.meta.get('units', 'unknown')}' units, not in HU; tell "
            "which of them stand for air and for water"
        )
    if record.meta.get("valid") is not None:
        volume = torch.where(record.meta["valid"], volume, -1000.0)
    if index is None:
        return volume[0].float()
    if not 0 <= index < volume.shape[1]:
        raise ValueError(f"there are slices 0 to {volume.shape[1] - 1}, not {index}")
    return volume[0, index : index + 1].float()


def _pixel(record: Record, given: float | None) -> float:
    """mm; pixels are square."""
    if given is not None:
        return positive("pixel", given)
    geometry = record.meta.get("geometry")
    if geometry is None:
        raise ValueError("the file does not tell how large its pixels are: give pixel, in mm")
    _, y, x = geometry.spacing
    if abs(y - x) > SQUARE * x:
        raise ValueError(
            f"its pixels are {y:g} x {x:g} mm; make them square first, or give pixel, in mm"
        )
    return x


def _geometry(record: Record, index: int | None):
    geometry = record.meta.get("geometry")
    return geometry if geometry is None or index is None else geometry.cropped(z=index)


def _angles(views: int, arc: float) -> Tensor:
    if views < 1 or not 0 < arc <= 360:
        raise ValueError(f"views are at least 1, over an arc up to 360, got {views} over {arc:g}")
    return math.radians(arc) / views * torch.arange(views, dtype=torch.float64)


def _finer(mu: Tensor) -> Tensor:
    """(z, y, x) -> (z, 2 y, 2 x): smooth, not negative, with mu as the mean of each pixel's parts.

    Interpolation says how the parts of a pixel differ; they differ less where one of them would
    be less than nothing.
    """
    smooth = functional.interpolate(
        mu[None], scale_factor=FINER, mode="bilinear", align_corners=False
    )
    detail = smooth - _parts(functional.avg_pool2d(smooth, FINER))
    deepest = functional.max_pool2d(-detail, FINER)[0]
    share = (mu / deepest.clamp(min=torch.finfo(mu.dtype).tiny)).clamp(max=1)
    return (_parts(mu) + _parts(share) * detail[0]).clamp(min=0)


def _parts(volume: Tensor) -> Tensor:
    """Each pixel as 2 x 2 alike."""
    return volume.repeat_interleave(FINER, -2).repeat_interleave(FINER, -1)


def _line_integrals(fine: Tensor, angles: Tensor, bins: int, mm: float, finer: int) -> Tensor:
    """-log of the share of photons that arrives, without noise; (slice, view, bin)."""
    pitch = mm / finer
    radon = Radon(fine.shape[-2:], angles, finer * bins, pitch=pitch, pixel=pitch)
    arriving = torch.cat([torch.exp(-radon(part)) for part in fine.split(AT_ONCE)])
    return -arriving.unflatten(-1, (bins, finer)).mean(-1).log()


def _in_words(
    views: int, arc: float, bins: int, mm: float, law: Transmission, same_grid: bool
) -> str:
    """The simulated scan as a report names its operator."""
    grid = "the grid of the reconstruction" if same_grid else "a grid twice as fine"
    extra = f", read-out noise of {law.electronic:g} photons" if law.electronic else ""
    return (
        f"parallel beam, {views} views over {arc:g} degrees, {bins} bins of {mm:g} mm, "
        f"{law.photons:g} photons a ray{extra}, simulated on {grid}"
    )
