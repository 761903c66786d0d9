"""What a scan says of its line integrals: dead rays left out, each other one with its own noise."""

import math
from dataclasses import replace

import torch
from restore_operators.pixels.mask import Mask

from restore.files.task import Record
from restore.measurement.checks import sizes
from restore.measurement.measurement import Measurement
from restore.measurement.noise import Gaussian
from restore.measurement.not_gaussian import Transmission
from restore.measurement.operator import LinearOperator

from . import physics


def as_sinogram(record: Record) -> Record:
    """Counts become line integrals with weights; a sinogram of known counts gets its weights.

    What else the record holds is kept. ValueError for records that are no scan.
    """
    meta = dict(record.meta)
    if record.kind == "counts":
        counts, signal = record.signal, physics.line_integrals(record.signal, meta["counts0"])
    elif record.kind == "sinogram":
        signal, counts = record.signal, None
        if meta.get("counts0") is not None:
            counts = physics.transmitted(signal, meta["counts0"])
    else:
        raise ValueError(f"a scan is of kind sinogram or counts, got '{record.kind}'")
    if meta.get("weights") is None and counts is not None:
        meta["weights"] = physics.weights(counts, meta.get("electronic") or 0.0)
    return replace(record, signal=signal, kind="sinogram", meta=meta)


def log_gaussian(
    record: Record, operator: LinearOperator, std: float | None = None, *, grid: float = 0.0
) -> Measurement:
    """Line integrals with Gaussian noise of the scan's weights (penalised weighted least squares).

    operator: attenuation -> (..., slice, view, bin). std: of all line integrals alike, in place of
    the weights; those of weight 0 are left out all the same, as zero rows of the operator.
    grid: the std of what the operator's pixels cannot hold of a ray, however well it is counted;
    errors of their own, whose variances add. ValueError where neither is known.
    """
    record = as_sinogram(record)
    weights = record.meta["weights"]
    if weights is None and std is None:
        raise ValueError(
            "the noise of the line integrals is not known; give its standard deviation, or the "
            "photons that set out on each ray (counts0)"
        )
    y, operator = _live(record, operator)
    if std is not None:
        return Measurement(y, operator, Gaussian(math.hypot(std, grid)))
    alive = weights > 0
    if not alive.any():
        raise ValueError("no ray has a weight above 0")
    level = torch.where(alive, weights, weights[alive].mean())  # dead ones never count
    level = (1 / level + grid**2).sqrt()
    return Measurement(y, operator, Gaussian(level.reshape(1, *y.shape)))


def transmission(record: Record, operator: LinearOperator) -> Measurement:
    """The counts' own law: Poisson, with the noise of the read-out where that is known.

    ValueError where counts0 is not known.
    """
    record = as_sinogram(record)
    counts0 = record.meta["counts0"]
    if counts0 is None:
        raise ValueError("the law of the counts wants counts0, the photons that set out on a ray")
    y, operator = _live(record, operator)
    photons = counts0
    if isinstance(counts0, torch.Tensor):
        photons = counts0.expand(record.signal.shape).reshape(1, *y.shape)
    return Measurement(y, operator, Transmission(photons, record.meta["electronic"] or 0.0))


def _live(record: Record, operator: LinearOperator) -> tuple[torch.Tensor, LinearOperator]:
    """Line integrals and their operator, both 0 where the detector is dead.

    ValueError for a sinogram that is not of the operator's shape.
    """
    signal, out = record.signal, operator.out_shape
    if signal.numel() != math.prod(out) or signal.shape[-2:] != out[-2:]:
        raise ValueError(f"the sinogram is {sizes(signal.shape)}, the projector's {sizes(out)}")
    weights, live = record.meta["weights"], record.meta["live"]
    if weights is not None:
        live = (weights > 0) if live is None else (weights > 0) & live
    if live is None or live.all():
        return signal.reshape(out), operator
    live = live.expand(signal.shape)
    return torch.where(live, signal, 0).reshape(out), Mask(live.reshape(out)) @ operator
