"""One measurement as two of the same operator, with noises of their own: thinning.

Where no line, view or pixel can be set aside, noise can. For y = A x + s n and z, a draw of the
same noise, y + a z and y - z / a have independent noises, of variance s^2 (1 + a^2) and
s^2 (1 + 1 / a^2). Counts of a Poisson law fall by chance, each into one of two parts.
Data thinning: Neufeld et al., JMLR 2024, arXiv:2301.07276; data fission: Leiner et al. 2021,
arXiv:2112.11079.
"""

import torch
from torch import Tensor

from ..measurement.measurement import Measurement
from ..measurement.noise import Gaussian, Poisson
from ..measurement.signal import ChainNoise
from .held_out import Split

KEPT = 0.8  # of the information: as where one line of five is kept back
ROUNDING = 1e-6  # of a count, as float32 holds it
NEAR = 1e-2  # a count may lie so far from a whole number, whatever its size


def can_be_thinned(measurement: Measurement) -> bool:
    """Whether `thinned` has two parts of it: one observation, noise of every value."""
    noise = measurement.noise
    gaussian = isinstance(noise, Gaussian) and noise.has_density
    return measurement.observations == 1 and (gaussian or isinstance(noise, Poisson))


def thinned(measurement: Measurement, *, kept: float = KEPT, seed: int = 0) -> Split:
    """Two measurements of one operator, of independent noises, by a draw of `seed`.

    kept: the share of the information that the first has, in (0, 1); the second has the rest.
    Gaussian noise of std s becomes s / sqrt(kept) and s / sqrt(1 - kept), a peak count of N becomes
    kept N and (1 - kept) N. ValueError for other noise, values without noise, several observations,
    and counts that are not whole.
    """
    if not 0 < kept < 1:
        raise ValueError(f"a share of the information lies between 0 and 1, got {kept}")
    if not can_be_thinned(measurement):
        raise ValueError(
            "only one observation with Gaussian noise in every value, or with counts, can be "
            f"thinned, not {measurement.observations} with {measurement.noise}"
        )
    if isinstance(measurement.noise, Poisson):
        return _thinned_counts(measurement, measurement.noise, kept, seed)
    return _thinned_gaussian(measurement, measurement.noise, kept, seed)


def _thinned_gaussian(measurement: Measurement, noise: Gaussian, kept: float, seed: int) -> Split:
    y, operator = measurement.y, measurement.operator
    drawn = noise.draw(torch.zeros_like(y), ChainNoise(seed, range(len(y))))
    drawn = torch.where(measurement.measured_mask, drawn, 0)  # what was not measured stays 0
    a = ((1 - kept) / kept) ** 0.5
    return Split(
        Measurement(y + a * drawn, operator, Gaussian(noise.std / kept**0.5)),
        Measurement(y - drawn / a, operator, Gaussian(noise.std / (1 - kept) ** 0.5)),
    )


def _thinned_counts(measurement: Measurement, noise: Poisson, kept: float, seed: int) -> Split:
    counts = _counts(measurement.y, noise.peak)
    generator = torch.Generator().manual_seed(seed)
    part = torch.binomial(counts.cpu(), torch.full(counts.shape, kept).double(), generator)
    parts = (part.to(counts), kept), (counts - part.to(counts), 1 - kept)
    return Split(
        *(
            Measurement(
                (seen / (share * noise.peak)).to(measurement.y),
                measurement.operator,
                Poisson(share * noise.peak),
            )
            for seen, share in parts
        )
    )


def _counts(y: Tensor, peak: float) -> Tensor:
    """The whole numbers behind y = counts / peak, in double precision."""
    raw = y.double() * peak
    counts = raw.round()
    if ((raw - counts).abs() > NEAR + ROUNDING * counts).any() or (counts < 0).any():
        raise ValueError(f"y is not made of whole counts of a peak of {peak:g}; nothing to thin")
    return counts
