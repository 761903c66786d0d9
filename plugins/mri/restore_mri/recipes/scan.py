"""A scan made ready to solve: fewer samples if asked, white noise, coil maps, one scale."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from restore_operators.pixels.channels import ChannelsToComplex
from restore_operators.reconstruction.classical import cgls
from torch import Tensor

from restore.files.naming import naming
from restore.files.task import Record
from restore.measurement.measurement import Measurement
from restore.measurement.noise import Gaussian
from restore.measurement.operator import LinearOperator
from restore.untrusted.arrays import read_array

from ..coils.coils import compression, low_frequency_maps, matched_filter, mix, noise_std
from ..coils.espirit import espirit
from ..coils.phase import smooth_phase
from ..kspace.scale import PERCENTILE, quantile
from ..operators.finer_grid import OnFinerGrid, coarser, finer
from ..operators.noncartesian_sense import noncartesian_sense
from ..operators.sense import Sense, sense

REDUNDANT = 1.5  # measured numbers for each unknown, to tell misfit by
STEPS = 30  # of conjugate gradients
CALIBRATION = 24  # lines or samples of the middle that maps are made of
Maps = Literal["espirit", "low-frequency"]


@dataclass(frozen=True)
class Scan:
    """k-space in units of `scale`, with all that an operator of it needs."""

    kspace: Tensor  # (slice, coil, ky, kx), zero where not measured, or (slice, coil, samples)
    mask: Tensor | None  # (ky, kx) or (slice, ky, kx) bool; None: all was measured
    maps: Tensor  # (slice or 1, coil, y, x), times the phase
    noise: float  # std of each part
    scale: float  # signal units to those of the file
    record: Record
    phase: Tensor | None = None  # (slice, y, x), exp(i phi) that images are without; None: 1
    refine: int = 1  # times as fine a grid that images are sought on

    @property
    def phase_axis(self) -> int:
        return self.record.meta.get("phase_axis") or -1

    @property
    def line_count(self) -> int:
        """The number of lines along the phase-encoded axis."""
        return self.kspace.shape[self.phase_axis]

    def operator(self) -> LinearOperator:
        """(2, slice, y, x) in units of the scale, on the finer grid -> what was measured."""
        size = (len(self.kspace), *self.maps.shape[-2:])
        points = self.record.meta.get("trajectory")
        if points is not None:
            return noncartesian_sense((2, *size), self.maps, points.float())
        if self.refine == 1:
            return sense((2, *size), self.maps, self.mask)
        found = OnFinerGrid(Sense((1, *size), self.maps, self.mask), self.refine)
        return found @ ChannelsToComplex((2, *found.in_shape[1:]))

    def measurement(self) -> Measurement:
        """The samples with the operator and the noise of their scan."""
        return Measurement(self.kspace, self.operator(), Gaussian(self.noise))

    def masked(self, mask: Tensor) -> "Scan":
        """The scan with no more than the samples of a mask."""
        mask = mask if self.mask is None else mask & self.mask
        return replace(self, kspace=self.kspace * over_coils(mask), mask=mask)

    def only(self, which: slice) -> "Scan":
        """The scan of some slices."""

        def of(values: Tensor | None, axes: int) -> Tensor | None:
            shared = values is None or values.ndim < axes or len(values) == 1
            return values if shared else values[which]

        return replace(
            self,
            kspace=self.kspace[which],
            mask=of(self.mask, 3),
            maps=of(self.maps, 4),
            phase=of(self.phase, 3),
        )

    def combined(self) -> Tensor:
        """The coil-combined image of what was measured, complex; (1, slice, y, x)."""
        return matched_filter(self.kspace, self.maps)[None]

    def sought(self, image: Tensor) -> Tensor:
        """A complex image (..., y, x) of the scan's own grid on that which images are sought on."""
        return image if self.refine == 1 else finer(image, self.refine)

    def on_its_grid(self, image: Tensor) -> Tensor:
        """A complex image (..., y, x) of the finer grid on the scan's own; one of that as it is."""
        if image.shape[-2:] == self.maps.shape[-2:]:
            return image
        return coarser(image, self.refine)

    def without_phase(self, phase: Tensor) -> "Scan":
        """The scan as one of images that are without a smooth phase, (slice, y, x) complex."""
        return replace(self, maps=self.maps * phase[:, None], phase=phase)


def over_coils(mask: Tensor) -> Tensor:
    """A mask that broadcasts against (slice, coil, ky, kx)."""
    return mask[:, None] if mask.ndim == 3 else mask


def scan(
    record: Record,
    noise: float | None,
    *,
    maps: str,
    mask: Tensor | None = None,
    coils: int | None = None,
    calibration: int = CALIBRATION,
    phase: str = "calibration",
) -> tuple[Scan, Scan]:
    """The scan of a mask, and that of all the file holds, in one unit and with one set of maps.

    noise: in units of the scale; None takes the noise scan's, else what k-space itself shows, and
    no less than what the maps leave unexplained. maps: "espirit", "low-frequency", or a file of
    (slice or 1, coil, y, x). mask: samples to keep. coils: compress to so many. phase:
    "calibration" takes the smooth phase of the middle of k-space off the image, where it was
    measured; "free" leaves it. ValueError for what is no Cartesian k-space.
    """
    if record.kind != "kspace":
        raise ValueError(f"{record.source} holds {record.kind}; mri takes k-space")
    full = Scan(record.signal, record.meta.get("mask"), record.signal[:, :, :1, :1], 0, 1, record)
    least = full if mask is None else full.masked(mask)
    given = _given_maps(record, maps)
    if coils is not None and coils < record.signal.shape[1]:
        matrix = compression(least.kspace, coils, least.mask, largest=calibration)
        full, least = (replace(s, kspace=mix(matrix, s.kspace)) for s in (full, least))
        given = None if given is None else mix(matrix, given)
    found = _maps(least, maps, calibration) if given is None else given
    full, least = replace(full, maps=found), replace(least, maps=found)
    scale = quantile(least.combined().abs(), PERCENTILE).item()
    if not scale > 0:
        raise ValueError(f"{record.source}: the zero-filled image is black")
    std = max(_noise(full), _unexplained(least)) / scale if noise is None else noise
    if not std > 0:
        raise ValueError("the noise of a measurement must be positive")
    ready = {"noise": std, "scale": scale}
    pair = tuple(replace(s, kspace=s.kspace / scale, **ready) for s in (least, full))
    known = _phase(least, calibration) if phase == "calibration" else None
    return pair if known is None else tuple(s.without_phase(known) for s in pair)


def _phase(scan: Scan, calibration: int) -> Tensor | None:
    """The smooth phase of a box up to twice the calibration lines, (slice, y, x) complex.

    None where the middle was not measured.
    """
    try:
        return smooth_phase(scan.kspace, scan.maps, scan.mask, largest=2 * calibration)
    except ValueError:
        return None


def _noise(scan: Scan) -> float:
    """Std of the noise: the noise scan's where there was one, else root mean square over coils."""
    known = scan.record.meta.get("noise")
    if known is not None:
        return float(known)
    return noise_std(scan.kspace, scan.mask).square().mean().sqrt().item()


def _unexplained(scan: Scan) -> float:
    """Std of each part of the data that the coil maps leave unexplained at the least-squares image.

    Maps are estimates: in scans of little noise their errors are the larger part of it. 0 where
    there are not more measured numbers than unknown ones to tell by.
    """
    slices, _, *size = scan.kspace.shape
    known = (scan.kspace != 0).sum().item()
    unknown = (scan.maps != 0).any(1).sum().item() * (slices if len(scan.maps) == 1 else 1)
    if known < REDUNDANT * unknown:
        return 0.0
    operator = Sense((1, slices, *size), scan.maps, scan.mask)
    image = cgls(scan.kspace[None], operator, STEPS)
    residual = (scan.kspace - operator(image)[0])[scan.kspace != 0]
    power = residual.abs().double().square().sum().item() / 2
    return (power / (known - unknown)) ** 0.5


def _maps(scan: Scan, kind: str, calibration: int) -> Tensor:
    if scan.kspace.shape[1] == 1:
        return torch.ones(1, 1, *scan.kspace.shape[-2:], dtype=torch.complex64)
    if kind == "low-frequency":
        return low_frequency_maps(scan.kspace, scan.mask, calibration=calibration)
    return espirit(scan.kspace, scan.mask, calibration=calibration)


def _given_maps(record: Record, kind: str) -> Tensor | None:
    """Coil maps of a file that is named, or of the record; None where they are to be estimated.

    ValueError for a name that is no file, and maps that do not fit the k-space.
    """
    if kind in Maps.__args__:
        return record.meta.get("maps")
    if not Path(kind).is_file():
        raise ValueError(f"the maps '{kind}' are none of espirit, low-frequency, nor a file")
    from restore.files.by_extension import read

    maps = _array(Path(kind)) if kind.endswith(".npy") else read(Path(kind)).signal
    slices, coils, *size = record.signal.shape
    if maps.ndim == 3:
        maps = maps[None]
    if maps.ndim != 4 or len(maps) not in (1, slices) or list(maps.shape[1:]) != [coils, *size]:
        sizes = ["x".join(map(str, shape)) for shape in (maps.shape, record.signal.shape)]
        raise ValueError(f"the coil maps {kind} are {sizes[0]}, the k-space is {sizes[1]}")
    return maps.to(torch.complex64)


def _array(path: Path) -> Tensor:
    with naming(path):
        values = read_array(path)
    if values.dtype.kind != "c":
        raise ValueError(f"coil maps are complex, {path} holds {values.dtype}")
    return torch.from_numpy(values.astype(np.complex64))
