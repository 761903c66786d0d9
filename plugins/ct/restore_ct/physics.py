"""Counts, line integrals, attenuation and Hounsfield units: the formulas that tie them together.

What is where: a restored volume on file and every metric is in Hounsfield units, HU; the prior and
the projector see attenuation mu in 1/mm; a sinogram holds line integrals of mu, without units.
Ring artefacts and beam hardening are not modelled: the beam is taken for monochromatic.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from restore.measurement.checks import sizes

MU_WATER = 0.0192  # 1/mm: attenuation of water at about 70 keV
LEAST = 0.5  # photons: a ray of which none arrives counts as half a one, and weighs as little


def attenuation(hounsfield: Tensor, mu_water: float = MU_WATER) -> Tensor:
    """mu = mu_water (1 + HU / 1000), in the units of mu_water."""
    return _positive(mu_water) * (1 + hounsfield / 1000)


def hounsfield(attenuation: Tensor, mu_water: float = MU_WATER) -> Tensor:
    """HU = 1000 (mu / mu_water - 1)."""
    return 1000 * (attenuation / _positive(mu_water) - 1)


def transmitted(line_integrals: Tensor, counts0: float | Tensor) -> Tensor:
    """The counts expected behind an object, I0 exp(-p): the law of Beer and Lambert."""
    return counts0 * torch.exp(-line_integrals)


def line_integrals(counts: Tensor, counts0: float | Tensor) -> Tensor:
    """p = -log(max(N, 1/2) / I0); negative where more photons arrived than set out on average.

    Its mean is too large by about 1 / (2 N): the logarithm bends.
    """
    return -(counts.clamp(min=LEAST) / counts0).log()


def weights(counts: Tensor, electronic: float = 0.0) -> Tensor:
    """Inverse variances of line integrals, 1 / (1 / N + electronic^2 / N^2), N at least 1/2.

    counts: N, those that arrived; electronic: std of the read-out's noise, in photons.
    Penalised weighted least squares: Sauer & Bouman, IEEE TSP 1993; Thibault et al., 2006.
    """
    counts = counts.clamp(min=LEAST)
    return counts**2 / (counts + electronic**2)


@dataclass(frozen=True)
class Corrected:
    """Projections after flat and dark correction; (view, row, column) or alike."""

    line_integrals: Tensor  # 0 where the detector is dead
    live: Tensor  # bool, of one frame
    counts0: Tensor | None  # photons without an object, of one frame; None: of unknown gain
    weights: Tensor | None  # inverse variances, 0 where the detector is dead
    gain: float | None  # values of the file per photon
    electronic: float | None  # photons


def corrected(data: Tensor, white: Tensor, dark: Tensor) -> Corrected:
    """Line integrals of raw projections, -log((data - dark) / (white - dark)).

    data: (view, *frame); white and dark: (frames, *frame). Transmissions above one are kept.
    A pixel whose flat field is not above its dark one is dead: line integral 0, weight 0.
    Signals of less than half a photon count as half a photon; where the gain is not known,
    those of less than half a unit of the file. ValueError for sizes that do not fit.
    """
    if data.shape[1:] != white.shape[1:] or data.shape[1:] != dark.shape[1:]:
        raise ValueError(
            f"the projections are {sizes(data.shape[1:])}, the flat fields "
            f"{sizes(white.shape[1:])} and the dark fields {sizes(dark.shape[1:])}"
        )
    flat = white.double().mean(0) - dark.double().mean(0)
    live = flat > 0
    if not live.any():
        raise ValueError("no pixel of the flat fields is brighter than the dark fields")
    gain = photon_transfer(white, dark)
    photons = (data.double() - dark.double().mean(0)) / (gain or 1)
    counts0 = torch.where(live, flat / (gain or 1), 1)
    integrals = torch.where(live, line_integrals(photons, counts0), 0).float()
    if gain is None:
        return Corrected(integrals, live, None, None, None, None)
    electronic = dark.double().var(0)[live].mean().sqrt().item() / gain if len(dark) > 1 else 0.0
    weight = torch.where(live, weights(photons, electronic), 0).float()
    return Corrected(integrals, live, counts0.float(), weight, gain, electronic)


def photon_transfer(white: Tensor, dark: Tensor) -> float | None:
    """Values of the file per photon: variance of the flat fields over their mean (Janesick 2007).

    white and dark: (frames, *frame). The beam's flicker from frame to frame is taken out first.
    None with fewer than two flat fields, or where they do not vary as photons do.
    """
    if len(white) < 2:
        return None
    white, dark = white.double(), dark.double()
    signal = white - dark.mean(0)
    live = signal.mean(0) > 0
    level = signal[:, live].mean(1)
    steady = signal[:, live] * (level.mean() / level)[:, None]
    variance = steady.var(0).mean()
    if len(dark) > 1:
        variance = variance - dark.var(0)[live].mean()
    gain = (variance / level.mean()).item()
    return gain if gain > 0 and math.isfinite(gain) else None


def _positive(mu_water: float) -> float:
    if not (mu_water > 0 and math.isfinite(mu_water)):
        raise ValueError(f"the attenuation of water must be positive, got {mu_water}")
    return mu_water
