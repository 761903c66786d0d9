"""Metrics of ultrasound by name: contrast of two regions, speckle, resolution, and of whole frames.

Contrast takes the values of two regions of interest, each flat; `contrast` says for each name
whether they are brightness (as displayed) or the envelope behind it. What names leave open in the
literature is in the name: bins, and which formula.
"""

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .echoes.sector import box_of
from .operators.companding import RANGE, expanded, mu_of

BINS = 256


def gcnr(inside: Tensor, outside: Tensor, bins: int = BINS) -> float:
    """1 - sum min(f, g), 0 to 1: how well one threshold could tell the regions apart.

    f, g: their histograms over common bins from the least to the greatest value. Rodriguez-Molares
    et al., UFFC 2020. It is the same for brightness and envelopes but for the bins.
    """
    low = min(float(inside.min()), float(outside.min()))
    high = max(float(inside.max()), float(outside.max()))
    if low == high:
        return 0.0
    f, g = (
        np.histogram(part.numpy(), bins, (low, high))[0] / part.numel()
        for part in (inside, outside)
    )
    return float(1 - np.minimum(f, g).sum())


def cnr(inside: Tensor, outside: Tensor) -> float:
    """|m1 - m2| / (s1^2 + s2^2)^1/2, linear, as DehazingEcho2025 has it; infinite if s are 0."""
    spread = math.sqrt(float(inside.var(correction=0) + outside.var(correction=0)))
    distance = abs(float(inside.mean() - outside.mean()))
    return distance / spread if spread > 0 else math.inf if distance > 0 else 0.0


def cnr_db(inside: Tensor, outside: Tensor) -> float:
    """20 log10(|m1 - m2| / ((s1^2 + s2^2) / 2)^1/2) in dB, as zea has it."""
    value = cnr(inside, outside) * math.sqrt(2)
    return 20 * math.log10(value) if value > 0 else -math.inf


def contrast_db(inside: Tensor, outside: Tensor) -> float:
    """20 log10(m1 / m2) in dB, of envelopes."""
    one, other = float(inside.mean()), float(outside.mean())
    if one <= 0 or other <= 0:
        return math.nan if one == other else math.copysign(math.inf, one - other)
    return 20 * math.log10(one / other)


def ks(one: Tensor, other: Tensor) -> float:
    """The largest distance of two empirical distributions, 0 to 1 (Kolmogorov and Smirnov)."""
    from scipy.stats import ks_2samp

    return float(ks_2samp(one.flatten().numpy(), other.flatten().numpy()).statistic)


def speckle_snr(envelope: Tensor) -> float:
    """Mean over standard deviation of an envelope; (pi / (4 - pi))^1/2 = 1.91 in full speckle."""
    spread = float(envelope.std(correction=0))
    return float(envelope.mean()) / spread if spread > 0 else math.inf


def fwhm(profile: Tensor, spacing: float = 1.0) -> float:
    """Full width at half maximum about the greatest value, in units of `spacing`.

    profile: (samples,), of an envelope. Linear between samples. ValueError where it does not fall
    to half on both sides.
    """
    values, top = profile.double().tolist(), int(profile.argmax())
    half = values[top] / 2
    ends = []
    for step in (-1, 1):
        at = top
        while 0 <= at + step < len(values) and values[at + step] > half:
            at += step
        if not 0 <= at + step < len(values):
            raise ValueError("the profile does not fall to half of its maximum on both sides")
        ends.append(at + step * (values[at] - half) / (values[at] - values[at + step]))
    return (ends[1] - ends[0]) * spacing


def psnr(estimate: Tensor, reference: Tensor) -> float:
    """PSNR in dB of brightness, of the range 0 to 1."""
    error = float((estimate - reference).double().square().mean())
    return math.inf if error == 0 else -10 * math.log10(error)


# name -> of the regions' brightness, or of their envelopes
OF_BRIGHTNESS: dict[str, Callable[[Tensor, Tensor], float]] = {
    f"gcnr[{BINS} bins]": gcnr,
    "cnr[linear]": cnr,
    "cnr[dB]": cnr_db,
    "ks": ks,
}
OF_ENVELOPES: dict[str, Callable[[Tensor, Tensor], float]] = {
    "contrast[dB]": contrast_db,
    "speckle-snr inside": lambda inside, outside: speckle_snr(inside),
    "speckle-snr outside": lambda inside, outside: speckle_snr(outside),
}


def contrast(
    brightness: Tensor, inside: Tensor, outside: Tensor, dynamic_range: float = RANGE
) -> dict[str, float]:
    """Every metric of two regions by its name.

    brightness: (rows, columns), 0 to 1, of a display of `dynamic_range` dB. inside, outside: bool,
    (rows, columns). ValueError for a region without pixels.
    """
    if not inside.any() or not outside.any():
        raise ValueError("a region of interest holds no pixels")
    one, other = brightness[inside], brightness[outside]
    found = {name: metric(one, other) for name, metric in OF_BRIGHTNESS.items()}
    envelopes = [expanded(part, mu_of(dynamic_range)) for part in (one, other)]
    return {**found, **{name: metric(*envelopes) for name, metric in OF_ENVELOPES.items()}}


def regions_of(given: str, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Two regions of interest, bool (rows, columns): `inside` and `outside`.

    given: two boxes, "x0,y0,x1,y1 x0,y0,x1,y1"; a JSON file {"inside": [x0, y0, x1, y1], "outside":
    [...]}; or a PNG of the frame's size, of which 1/3 to 2/3 grey is outside and white inside.
    ValueError for what is none of these, or does not fit the frame.
    """
    if given.lower().endswith(".png"):
        return _painted(Path(given), size)
    if given.lower().endswith(".json"):
        named: Mapping[str, list] = json.loads(Path(given).read_text())
        if set(named) != {"inside", "outside"}:
            raise ValueError(f"{given} names {', '.join(named)}, not inside and outside")
        words = [",".join(map(str, named[name])) for name in ("inside", "outside")]
    else:
        words = given.split()
    if len(words) != 2:
        raise ValueError(f"two boxes make two regions, got {given!r}")
    masks = [torch.zeros(size, dtype=torch.bool) for _ in words]
    for mask, word in zip(masks, words, strict=True):
        mask[box_of(word, size, "a region of interest").slices] = True
    return masks[0], masks[1]


def _painted(path: Path, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    from .files.pictures import read_png

    picture = read_png(path).signal[0, 0]
    if tuple(picture.shape) != size:
        raise ValueError(f"{path} is {tuple(picture.shape)}, the frame {size}")
    return picture > 2 / 3, (picture > 1 / 3) & (picture <= 2 / 3)
