"""A measured scan as a Record: line integrals or counts, and a geometry that is checked once.

meta of kinds "sinogram" and "counts", whose signal is (slice, view, bin) float32:
angles           (view,) float64, radians, a torch tensor: as Radon and FanBeam count them, the
                 picture's x to the right and y upwards, counter-clockwise
beam             "parallel", "fan-flat" or "fan-curved"
pitch, offset    of the bins: s_j = (j - (bins - 1) / 2) pitch + offset; on a curved detector, arc
centre           how far the rotation axis is from the detector's middle, folded into offset
                 already; None where the file does not say: it may have to be estimated
source_radius, detector_radius    of a fan, from the axis of rotation; else None
counts0          photons that set out, a number or a tensor that broadcasts against the signal
weights          inverse variances of the line integrals, of the signal's shape, 0 where dead
live             False where the detector is dead, bool, broadcasts against the signal
electronic       std of the read-out's noise in photons
shape, pixel     (y, x) of the picture to reconstruct, and how wide its pixels are
length           the unit of all these lengths: "mm", or "bin" where only the pitch is known
converted        sentences that say what was changed at load
Whatever is not known is None.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from restore.files.task import Record
from restore.measurement.checks import sizes

PARALLEL, FLAT, CURVED = BEAMS = ("parallel", "fan-flat", "fan-curved")
KINDS = ("sinogram", "counts")
LENGTHS = {"mm": 1.0, "cm": 10.0, "m": 1000.0, "um": 1e-3, "bin": 1.0}  # in mm; a bin is a bin
LENGTH = (1e-6, 1e7)  # mm: from a nanometre to a source that is far enough for a parallel beam
WATER = (1e-3, 1e2)  # 1/mm, from MeV to a keV: nothing attenuates less, nor more
FINER, RATIO = 16, 1000  # pixels for each bin; between the width of a pixel and that of a bin
PHOTONS = 1e15  # on one ray, and so the largest weight of a line integral
ANGLES = {"radians": 1.0, "rad": 1.0, "degrees": math.pi / 180, "deg": math.pi / 180}


def scan(
    signal: Tensor | np.ndarray,
    source: Path | None,
    *,
    kind: str = "sinogram",
    angles: Tensor | np.ndarray | Sequence[float] | None,
    beam: str = PARALLEL,
    pitch: float = 1.0,
    offset: float = 0.0,
    length: str = "mm",
    format: str,
    **more: Any,
) -> Record:
    """A scan as a record; `more` are the other names above, and the format's own.

    ValueError, without the file's name, for a geometry that does not fit the signal.
    """
    signal = _real(signal, kind)
    if angles is None:
        raise ValueError("the angles of the views are missing, and cannot be guessed")
    angles = torch.as_tensor(np.asarray(angles, np.float64)).reshape(-1)
    _fit(signal, angles)
    if length not in LENGTHS:
        raise ValueError(f"the unit of length is one of {', '.join(LENGTHS)}, got '{length}'")
    scale = LENGTHS[length]
    meta = {
        "angles": angles,
        "beam": _beam(beam, more),
        "pitch": scale * _length("pitch", positive("pitch", pitch), scale),
        "offset": scale * _length("offset", number("offset", offset), scale),
        "length": "bin" if length == "bin" else "mm",
        "format": format,
        "converted": tuple(more.pop("converted", ())),
    }
    for name in ("source_radius", "detector_radius", "centre", "pixel"):
        value = more.pop(name, None)
        meta[name] = None if value is None else scale * _length(name, number(name, value), scale)
    meta["shape"] = _shape(more.pop("shape", None))
    if more.get("mu_water") is not None:
        more["mu_water"] = _within("mu_water", number("mu_water", more["mu_water"]), WATER, "1/mm")
    meta |= _statistics(signal, kind, more)
    return Record(signal, kind, source, meta | more)


def grid(record: Record) -> tuple[tuple[int, int], float]:
    """(y, x) and the pixel of the picture to reconstruct: the file's, or what the bins see."""
    meta, bins = record.meta, record.signal.shape[-1]
    pixel = _seen(meta) if meta["pixel"] is None else meta["pixel"]
    return meta["shape"] or (bins, bins), pixel


def refuse_sizes(record: Record, shape: tuple[int, int], pixel: float) -> None:
    """ValueError for a picture, and for pixels, that no detector of these bins can see.

    shape: (y, x); pixel: in the scan's unit of length.
    """
    bins, seen = record.signal.shape[-1], _seen(record.meta)
    if max(shape) > FINER * bins:
        raise ValueError(f"a picture of {sizes(shape)} is more than {bins} bins can tell")
    if not 1 / RATIO <= positive("pixel", pixel) / seen <= RATIO:
        raise ValueError(f"the pixel is impossible: {pixel:g}, where the bins see {seen:g}")


def _seen(meta: Mapping[str, Any]) -> float:
    """The width of a bin, as it is seen at the axis of rotation."""
    if meta["beam"] == PARALLEL:
        return meta["pitch"]
    return meta["pitch"] / (1 + meta["detector_radius"] / meta["source_radius"])


def unit_of_angles(unit: object) -> float:
    """Radians in one unit of angle; ValueError where the unit is missing or unknown."""
    known = ANGLES.get(str(unit).lower()) if unit is not None else None
    if known is None:
        met = "is missing" if unit is None else f"is '{unit}'"
        raise ValueError(f"the unit of the angles {met}; it must be degrees or radians")
    return known


def number(name: str, value: object) -> float:
    """A finite number; ValueError names what is none."""
    try:
        found = float(value)  # YAML takes 1e5 for a word
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be a number, got {value!r}") from None
    if not math.isfinite(found):
        raise ValueError(f"{name} must be finite, got {found}")
    return found


def positive(name: str, value: object) -> float:
    """A positive, finite number; ValueError names what is none."""
    found = number(name, value)
    if found <= 0:
        raise ValueError(f"{name} must be positive, got {found:g}")
    return found


def _length(name: str, value: float, scale: float) -> float:
    """A length that may be 0 or negative, but is not of another world; scale: mm of its unit."""
    if value:
        _within(name, abs(value), (LENGTH[0] / scale, LENGTH[1] / scale), "in its unit of length")
    return value


def _within(name: str, value: float, bounds: tuple[float, float], unit: str) -> float:
    low, high = bounds
    if not low <= value <= high:
        raise ValueError(f"{name} is impossible: {value:g}, not {low:g} to {high:g} {unit}")
    return value


def _real(signal: Tensor | np.ndarray, kind: str) -> Tensor:
    if kind not in KINDS:
        raise ValueError(f"the kind of a scan is one of {', '.join(KINDS)}, got '{kind}'")
    array = np.asarray(signal)
    if array.dtype.kind not in "fiu":
        raise ValueError(f"a {kind} is of real numbers, got {array.dtype}")
    if array.ndim != 3 or not array.size:
        raise ValueError(f"a {kind} is (slice, view, bin), got {sizes(array.shape)}")
    if not np.isfinite(array).all():
        raise ValueError(f"the {kind} holds values that are not finite (NaN or infinity)")
    return torch.from_numpy(np.ascontiguousarray(array, np.float32))


def _fit(signal: Tensor, angles: Tensor) -> None:
    views, bins = signal.shape[1:]
    if not torch.isfinite(angles).all():
        raise ValueError("the angles are not all finite")
    if len(angles) != views:
        turned = "; its views may be its last axis" if len(angles) == bins else ""
        raise ValueError(
            f"there are {len(angles)} angles for a sinogram of {sizes(signal.shape)} "
            f"(slice, view, bin), which has {views} views{turned}"
        )


def _beam(beam: str, more: dict[str, Any]) -> str:
    if beam not in BEAMS:
        raise ValueError(f"the beam is one of {', '.join(BEAMS)}, got '{beam}'")
    radii = ("source_radius", "detector_radius")
    for name in radii:
        if beam == PARALLEL:
            more[name] = None
        elif more.get(name) is None:
            raise ValueError(f"a {beam} beam wants {' and '.join(radii)}; {name} is missing")
    if beam != PARALLEL:
        positive("source_radius", more["source_radius"])
        if number("detector_radius", more["detector_radius"]) < 0:
            raise ValueError("detector_radius is a distance from the axis: it cannot be negative")
    return beam


def _shape(shape: Sequence[int] | None) -> tuple[int, int] | None:
    if shape is None:
        return None
    found = tuple(int(number("shape", n)) for n in np.ravel(shape))
    if len(found) != 2 or min(found) < 1:
        raise ValueError(f"the shape of the picture is two sizes, y and x, got {sizes(found)}")
    return found


def _statistics(signal: Tensor, kind: str, more: dict[str, Any]) -> dict[str, Any]:
    """counts0, weights, live and electronic; counts below zero are for read-out noise only."""
    electronic, counts0 = more.pop("electronic", None), more.pop("counts0", None)
    if electronic is not None and number("electronic", electronic) < 0:
        raise ValueError(f"electronic is a standard deviation, got {electronic}")
    if counts0 is not None:
        counts0 = _photons(counts0, signal)
    if kind == "counts":
        if counts0 is None:
            raise ValueError("counts want counts0, the photons that set out on each ray")
        if signal.min() < 0 and not number("electronic", electronic or 0):
            many = int((signal < 0).sum())
            raise ValueError(
                f"{many} of the counts are negative, the least {signal.min():g}; only the noise of "
                "a read-out makes them so: give its standard deviation, electronic"
            )
    weights = more.pop("weights", None)
    if weights is not None:
        weights = torch.as_tensor(np.asarray(weights, np.float32))
        if not _broadcasts(weights, signal):
            raise ValueError(
                f"the weights are {sizes(weights.shape)}, the sinogram {sizes(signal.shape)}"
            )
        if not (weights >= 0).all() or not (weights <= PHOTONS).all():
            raise ValueError(
                f"weights are inverse variances, of photons: from 0 to {PHOTONS:g}, got "
                f"{weights.min():g} to {weights.max():g}"
            )
        weights = weights.expand(signal.shape).contiguous()
    live = more.pop("live", None)
    if live is not None:
        live = torch.as_tensor(np.asarray(live))
        if not torch.isfinite(live).all():
            raise ValueError("live holds values that are not finite (NaN or infinity)")
        live = live != 0
        if not _broadcasts(live, signal):
            raise ValueError(f"live is {sizes(live.shape)}, the sinogram {sizes(signal.shape)}")
        live = None if live.all() else live
    electronic = None if electronic is None else number("electronic", electronic)
    return {"counts0": counts0, "weights": weights, "live": live, "electronic": electronic}


def _photons(counts0: Any, signal: Tensor) -> float | Tensor:
    if np.ndim(counts0) == 0:
        return _within("counts0", positive("counts0", counts0), (0.0, PHOTONS), "photons")
    tensor = torch.as_tensor(np.asarray(counts0, np.float32))
    if not _broadcasts(tensor, signal):
        raise ValueError(
            f"counts0 is {sizes(tensor.shape)}, which does not fit {sizes(signal.shape)}"
        )
    if not (tensor > 0).all() or not (tensor <= PHOTONS).all():
        raise ValueError(f"counts0 must be positive, and at most {PHOTONS:g}")
    return tensor


def _broadcasts(part: Tensor, signal: Tensor) -> bool:
    pairs = zip(reversed(part.shape), reversed(signal.shape))
    return part.ndim <= signal.ndim and all(n in (1, m) for n, m in pairs)
