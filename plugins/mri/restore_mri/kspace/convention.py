"""Which convention k-space was stored in: told from where its energy and its picture lie."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from .samples import to_image, to_kspace

NEAR = 8  # a peak counts as central, or as at the corner, within an eighth of the axis
SMALLEST = 8  # samples; fewer do not tell a middle from a corner
# the energy in the outer eighths of the field of view over that of its middle quarter, the lesser
# eighth counting twice: 0.05 to 0.8 for six scans of heads and knees, 2.6 to 16 for five rolled
ROLLED = 2.0
ENOUGH = 8  # slices that are looked at for it
PLANE = {-2: "row", -1: "column"}
SPIKE = 1e3  # times the energy of what is around it: no sample of an object stands out so
PEAKED = 4.0  # times the share of the energy about the peak: what is peaked is k-space


def centred(samples: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor | None, list[str]]:
    """k-space and mask with zero frequency and field of view in the middle, and what was done.

    The energy peaks at zero frequency. A peak near the middle, though not on it, is normal; one at
    the corner is a file without fftshift. ValueError for one elsewhere: no convention has it.
    """
    said = []
    energy = _energy(samples)
    _refuse_spike(samples, energy)
    _refuse_image(samples, energy)
    for axis in (-2, -1):
        n, peak = samples.shape[axis], int(energy.sum(-3 - axis).argmax())
        if n < SMALLEST or abs(peak - n // 2) * NEAR <= n:
            continue
        if min(peak, n - peak) * NEAR > n:
            raise ValueError(
                f"the energy peaks at {PLANE[axis]} {peak} of {n}, neither in the middle nor at "
                "the corner: this is no k-space of a known convention"
            )
        samples = torch.fft.fftshift(samples, axis)
        mask = None if mask is None else torch.fft.fftshift(mask, axis)
        said.append(f"zero frequency was moved from {PLANE[axis]} {peak} to the middle, {n // 2}")
    step = -(-len(samples) // ENOUGH)
    energy = _energy(samples[::step], to_image)
    for axis in (-2, -1):
        n = samples.shape[axis]
        if n >= SMALLEST and _split(energy.sum(-3 - axis)) > ROLLED:
            samples = samples * _ramp(n, axis)
            said.append(f"the picture was rolled by {n // 2} {PLANE[axis]}s: it lay at the edges")
    return samples, mask, said


def _refuse_spike(samples: Tensor, energy: Tensor) -> None:
    """ValueError where one sample outshines all, far from where energy belongs."""
    rows, columns = energy.shape
    row, column = divmod(int(energy.argmax()), columns)
    central = [min(abs(at - n // 2), at, n - at) * NEAR <= n
               for at, n in ((row, rows), (column, columns))]  # fmt: skip
    if all(central) or min(rows, columns) < SMALLEST:
        return
    around = energy[max(row - 2, 0) : row + 3, max(column - 2, 0) : column + 3]
    if energy[row, column] < SPIKE * around.median():
        return
    planes = samples[..., row, column].abs().square()
    at, coil = divmod(int(planes.argmax()), samples.shape[1])
    raise ValueError(
        f"one sample outshines all, in slice {at}, coil {coil}, row {row}, column {column}: it "
        "looks like a spike (interference). Set it to 0 in all coils, which is not measured, and "
        "run again"
    )


def _refuse_image(samples: Tensor, energy: Tensor) -> None:
    """ValueError where samples spread as images do, and their transform peaks as k-space does."""
    if min(energy.shape) < SMALLEST:
        return
    transformed = _energy(samples[:: -(-len(samples) // ENOUGH)], to_kspace)
    if _about_peak(transformed) > PEAKED * _about_peak(energy):
        raise ValueError(
            "it looks like complex images, not like k-space: its Fourier transform is peaked, it "
            "is not. Transform it first (numpy.fft.fft2 over the last two axes), or give its "
            "magnitudes to mri-denoise"
        )


def _about_peak(energy: Tensor) -> float:
    """The share of the energy within a sixteenth of the axes from the peak, all round."""
    rows, columns = energy.shape
    row, column = divmod(int(energy.argmax()), columns)
    rolled = energy.roll((rows // 2 - row, columns // 2 - column), (0, 1))
    height, width = max(rows // 16, 1), max(columns // 16, 1)
    inside = rolled[rows // 2 - height : rows // 2 + height + 1,
                    columns // 2 - width : columns // 2 + width + 1]  # fmt: skip
    return (inside.sum() / rolled.sum()).item()


def _energy(samples: Tensor, transform: Callable[[Tensor], Tensor] = lambda x: x) -> Tensor:
    """|transform(samples)|^2 summed over slices and coils; (slice, coil, y, x) -> (y, x)."""
    total = samples.new_zeros(samples.shape[-2:], dtype=torch.float64)
    for plane in samples:  # a slice at a time: files are as large as memory allows
        total += transform(plane).abs().double().square().sum(0)
    return total


def _split(energy: Tensor) -> float:
    """The energy at both ends of a profile over that in its middle; the lesser end counts twice."""
    n, eighth = len(energy), len(energy) // 8
    edges = 2 * min(energy[:eighth].sum(), energy[-eighth:].sum())
    return float(edges / energy[n // 2 - eighth : n // 2 + eighth].sum())


def _ramp(n: int, axis: int) -> Tensor:
    """The phase that rolls a picture by -(n // 2) pixels: the shift theorem."""
    turns = (torch.arange(n, dtype=torch.float64) - n // 2) * (n // 2) / n
    ramp = torch.polar(torch.ones_like(turns), 2 * math.pi * turns).to(torch.complex64)
    return ramp[:, None] if axis == -2 else ramp
