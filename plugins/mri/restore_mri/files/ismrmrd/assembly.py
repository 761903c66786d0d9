"""Readouts put where they belong on a grid of k-space, averaged; one grid for each frame."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from restore.untrusted.bounds import refuse_sparse

from ...kspace.samples import crop_field
from .acquisitions import FRAME, Acquisitions, Readout
from .header import Header

Frame = tuple[int, ...]  # numbers of slice, contrast, phase, repetition and set


@dataclass(frozen=True)
class Assembly:
    """All frames of a Cartesian scan, zero frequency at n // 2 of each axis."""

    samples: Tensor  # (frame, coil, kz, ky, kx) complex64; zero where nothing was measured
    counts: Tensor  # (frame, kz, ky, kx): how many readouts were averaged
    calibration: Tensor | None  # like samples, the lines that only calibrate
    frames: list[Frame]

    @property
    def whole_readouts(self) -> bool:
        """Whether every line was measured from end to end."""
        return bool(((self.counts > 0) == (self.counts > 0).any(-1, keepdim=True)).all())

    def noise(self, of_one: float) -> tuple[float, Tensor | None]:
        """Std of the noise after averaging, root mean square; and the counts, where they differ.

        of_one: the std of a single acquisition.
        """
        n = self.counts[self.counts > 0]
        differ = bool((n != n[0]).any())
        return of_one * float((1 / n).mean().sqrt()), self.counts if differ else None

    def cropped(self, size: int) -> "Assembly":
        """k-space of the middle `size` pixels along the readout, which is whole."""
        acs = self.calibration
        return replace(
            self,
            samples=crop_field(self.samples, -1, size),
            counts=self.counts[..., :size],
            calibration=None if acs is None else crop_field(acs, -1, size),
        )


def assemble(acquired: Acquisitions, header: Header, whitener: np.ndarray | None) -> Assembly:
    """ValueError where a readout does not fit the encoded matrix, or the coils change."""
    nx, ny, nz = (max(1, n) for n in header.encoded.matrix)
    if min(header.encoded.matrix[:2]) < 1:
        raise ValueError("its ISMRMRD header states no encoded matrix")
    first = next(acquired.readouts(acquired.image[:1]))
    shape = (len(first.samples), nz, ny, nx)
    held = len(acquired.image) * first.samples.size
    frames = len({*acquired.heads["idx"][acquired.image][[*FRAME]].tolist()})
    refuse_sparse(frames * math.prod(shape), held, "its header's encoded matrix")
    image = _filled(acquired.readouts(acquired.image), shape, header, whitener)
    extra = _filled(acquired.readouts(acquired.calibration), shape, header, whitener)
    frames = sorted(image)
    acs = {frame[0]: mean for frame, (mean, _) in sorted(extra.items(), reverse=True)}
    nothing = np.zeros(shape, np.complex64)
    return Assembly(
        torch.from_numpy(np.stack([image[frame][0] for frame in frames])),
        torch.from_numpy(np.stack([image[frame][1] for frame in frames])),
        torch.from_numpy(np.stack([acs.get(f[0], nothing) for f in frames])) if acs else None,
        frames,
    )


def _filled(
    readouts: Iterable[Readout],
    shape: tuple[int, ...],
    header: Header,
    whitener: np.ndarray | None,
) -> Mapping[Frame, tuple[np.ndarray, np.ndarray]]:
    """Frame -> means (coil, kz, ky, kx) and counts (kz, ky, kx)."""
    sums: dict[Frame, np.ndarray] = {}
    counts: dict[Frame, np.ndarray] = {}
    for readout in readouts:
        if len(readout.samples) != shape[0]:
            raise ValueError(f"its readouts change from {shape[0]} coils to {len(readout.samples)}")
        at = _place(readout, shape[1:], header)
        if readout.frame not in sums:
            sums[readout.frame] = np.zeros(shape, np.complex64)
            counts[readout.frame] = np.zeros(shape[1:], np.float32)
        samples = readout.samples if whitener is None else whitener @ readout.samples
        sums[readout.frame][(slice(None), *at)] += samples
        counts[readout.frame][at] += 1
    return {frame: (sums[frame] / np.maximum(n, 1), n) for frame, n in counts.items()}


def _place(readout: Readout, shape: tuple[int, ...], header: Header) -> tuple[int, int, slice]:
    """The place of a readout on the grid: (kz, ky, columns of kx). ValueError outside of it."""
    nz, ny, nx = shape
    lines = []
    for number, (step, n) in enumerate(zip(readout.steps, (ny, nz)), 1):
        line = step - header.center(number) + n // 2
        if not 0 <= line < n:
            raise ValueError(
                f"its phase encoding {number} has step {step}, line {line} of {n}: the header's "
                "encoded matrix or limits do not fit its data"
            )
        lines.append(line)
    count = readout.samples.shape[1]
    start = 0 if count == nx else nx // 2 - readout.center  # a whole readout fits one way only
    if start < 0 or start + count > nx:
        raise ValueError(
            f"its readouts of {count} samples with the centre at {readout.center} do not fit the "
            f"header's {nx}"
        )
    return lines[1], lines[0], slice(start, start + count)
