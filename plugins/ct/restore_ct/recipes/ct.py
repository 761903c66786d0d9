"""ct: projections become slices in Hounsfield units.

The prior and the samplers see attenuation in units of water's: air 0, water 1, bone about 2.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from restore_dicom.geometry import Geometry
from restore_dicom.noise import noise_std
from restore_dicom.templates import in_dicom
from restore_operators import centre_of_rotation, fbp
from restore_operators.reconstruction import classical
from restore_operators.tomography.projector import Projector
from torch import Tensor

from restore.files.task import Comparison, Recipe, Record, Task, by_slices
from restore.measurement.measurement import Measurement
from restore.measurement.noise import Gaussian
from restore.measurement.operator import LinearOperator
from restore.priors.combined.sliced import perpendicular, slicewise
from restore.sampling.held_out import Split

from .. import physics
from ..noise import as_sinogram, log_gaussian, transmission
from ..operators import centred, projector
from . import show
from .choosing import sampler_choice
from .plausible import arc, refuse_other_values
from .simulate import simulate

PRIOR = "ct-slices"
Likelihood = Literal["gaussian", "transmission"]
Volume = Literal["slices", "perpendicular"]
EVERY = 5  # one view of so many is kept back, to tell the samples' spread by
# std of what a grid of pixels cannot hold of a ray, in pixels of water: 0.11 to 0.48 on validation
# slices (chi-square of the truth, two of them at 64 to 256 pixels a side)
HELD = 0.25
TV = 0.1  # weight of the baseline, in units of the noise; tuned on a validation slice


def solve_ct(
    record: Record,
    noise: float | None,
    *,
    every: int = 1,
    size: int | None = None,
    pixel: float | None = None,
    axis: float | None = None,
    likelihood: Likelihood = "gaussian",
    volume: Volume = "slices",
    coarse: int | None = None,
    template: Path | None = None,
) -> Task:
    """Slices of projections: DXchange and own HDF5, .npy and .npz with YAML, DICOM-CT-PD folders.

    Noise is that of the line integrals; without it the counts tell.

    every: use one view of so many
    size: rows and columns of the picture; else as many as there are bins
    pixel: its pixels, in mm; else what the bins see
    axis: the bin that the axis of rotation falls on, from 0; else the file's, or estimated
    likelihood: gaussian, weighted line integrals, or transmission, the counts' own law
    volume: slices, each for itself, or perpendicular: by slices along two axes in turn
    coarse: pixels a side of the grid that chains begin on, 1 for none; 2 where views are very few
    template: a DICOM slice or series of the patient: the answer is written as such
    """
    refuse_other_values(record)
    facts: dict = {"arc": arc(record)}
    scan = _on_axis(_every(as_sinogram(record), every), axis, facts)
    shape = None if size is None else (size, size)
    seen = [_only(scan, slice(k, k + 1)) for k in range(len(scan.signal))]
    first = torch.cat([_backprojection(one, projector(one, shape, pixel)) for one in seen], 1)
    water, units = _water(scan, first, facts)

    def task(scan: Record, first: Tensor, grid: int | None) -> Task:
        def operator(part: Record) -> Projector:
            return projector(part, shape, pixel)

        found = _task(scan, operator, water, likelihood, noise, grid)
        present = _presented(scan, operator(scan), water, units)
        views = show.views if units == "HU" else None
        shown = replace(found.comparison, input_shown=present(first / water), views=views)
        adapt = slicewise if volume == "slices" else perpendicular
        found = replace(found, present=present, comparison=shown, adapt_prior=adapt)
        return found.with_facts({**facts, **found.facts, "water per length": water})

    def made(grid: int | None) -> Task:
        if volume == "slices" and all(map(_measured, seen)):
            whole = _presented(scan, projector(scan, shape, pixel), water, units)(first / water)
            one = by_slices(whole, lambda which: task(_only(scan, which), first[:, which], grid))
        else:  # across slices there is no coarse grid
            one = task(scan, first, grid if volume == "slices" else 1)
        return in_dicom(one, template, fit=False, placed=scan.meta.get("geometry") is not None)

    asked = made(coarse)
    if coarse is not None:
        return asked
    return replace(asked, suited=lambda prior: asked if prior.on_any_grid else made(1))


def _only(scan: Record, which: slice) -> Record:
    """The scan of some slices."""
    meta = dict(scan.meta)
    for name in ("weights", "live", "counts0"):
        value = meta.get(name)
        if isinstance(value, Tensor) and value.ndim > 2 and value.shape[-3] > 1:
            meta[name] = value[..., which, :, :]
    return replace(scan, signal=scan.signal[which], meta=meta)


def _measured(scan: Record) -> bool:
    """Whether some ray of a scan tells anything."""
    weights = scan.meta.get("weights")
    return weights is None or bool((weights > 0).any())


def _backprojection(scan: Record, operator: Projector) -> Tensor:
    return fbp(scan.signal.reshape(1, *operator.out_shape), operator, "hann")[0]


def _task(
    scan: Record,
    operator: Callable[[Record], Projector],
    water: float,
    likelihood: Likelihood,
    noise: float | None,
    coarse: int | None,
) -> Task:
    """The problem of a scan; what is presented and shown is to be added."""
    whole = operator(scan)
    held = HELD * water * whole.pixel
    measurement = _measurement(scan, water * whole, likelihood, noise, held)

    def measurement_of(views: Tensor) -> Measurement:
        part = _with_views(scan, views)
        return _measurement(part, water * operator(part), likelihood, noise, held)

    split = _kept_back(measurement_of, whole.out_shape[-2])
    return Task(
        measurement,
        PRIOR,
        sampler_choice(whole.out_shape[-2], whole.in_shape, coarse),
        scan.with_signal,
        held_out_split=split if likelihood == "gaussian" else None,
        comparison=Comparison(baselines=baselines(measurement, whole, water)),
        facts={
            "views": whole.out_shape[-2],
            **({"noise of the grid": held} if likelihood == "gaussian" else {}),
        },
        format=".h5",
    )


def baselines(
    measurement: Measurement, projections: Projector, water: float
) -> Mapping[str, Callable[[], Tensor]]:
    """Classical answers by name; in units of water's attenuation."""
    y, operator, noise = measurement.y, measurement.operator, measurement.noise
    weights = noise.std**-2 if isinstance(noise, Gaussian) and torch.is_tensor(noise.std) else None
    level = 1.0 if weights is None else weights.mean().item()
    return {
        "fbp": lambda: fbp(y, projections, "ramp")[0] / water,
        "sirt": lambda: classical.sirt(y, operator, 100, nonnegative=True)[0],
        "cgls": lambda: classical.cgls(y, operator, 12)[0],
        "tv": lambda: classical.total_variation(
            y, operator, TV * level**0.5, 150, axes=(-2, -1), nonnegative=True, weights=weights
        )[0],
    }


def estimate_noise(record: Record) -> float:
    """The std of the noise of line integrals, from the details of the sinogram."""
    signal = as_sinogram(record).signal
    return noise_std(signal[None], torch.ones(1, dtype=torch.bool))


def _every(record: Record, every: int) -> Record:
    """A scan of one view of `every`; ValueError where that leaves none."""
    if not 1 <= every <= record.signal.shape[-2]:
        raise ValueError(f"of {record.signal.shape[-2]} views every {every}th cannot be used")
    return record if every == 1 else _with_views(record, slice(None, None, every))


def _with_views(record: Record, which: slice | Tensor) -> Record:
    """A scan of some of the views; which: a slice of them, or (view,) bool."""
    meta = dict(record.meta)
    for name in ("weights", "live", "counts0"):
        value = meta.get(name)
        if isinstance(value, Tensor) and value.ndim > 1 and value.shape[-2] > 1:
            meta[name] = value[..., which, :]
    meta["angles"] = meta["angles"][which]
    return replace(record, signal=record.signal[..., which, :], meta=meta)


def _kept_back(
    measurement_of: Callable[[Tensor], Measurement], views: int
) -> Callable[[], Split] | None:
    """A split that keeps back one view of five, from the third on; None for fewer than five.

    measurement_of: the views to use, (view,) bool -> their measurement.
    """
    held = torch.zeros(views, dtype=torch.bool)
    held[EVERY // 2 :: EVERY] = True
    return (lambda: Split(measurement_of(~held), measurement_of(held))) if views >= EVERY else None


def _on_axis(record: Record, axis: float | None, facts: dict) -> Record:
    """A scan on its axis of rotation: the one given, the file's, or an estimate, told in facts."""
    if axis is not None:
        return centred(record, axis)
    if record.meta["centre"] is not None or record.meta["beam"] != "parallel":
        return record
    found = centre_of_rotation(record.signal, record.meta["angles"])
    facts["axis of rotation, estimated"] = found
    return centred(record, found)


def _water(scan: Record, first: Tensor, facts: dict) -> tuple[float, str]:
    """Water's attenuation in the scan's unit of length, and the units of what is presented."""
    if scan.meta["length"] == "mm":
        return scan.meta.get("mu_water") or physics.MU_WATER, "HU"
    flat = first.flatten()[:: 1 + first.numel() // 4_000_000]
    scale = flat.quantile(0.99).item()
    if not scale > 0:
        raise ValueError(f"{scan.source}: nothing is seen in the filtered backprojection")
    facts["scale"] = "the file tells no length: 1 is the 99th percentile of the backprojection"
    return scale, "1/bin"


def _measurement(
    scan: Record,
    operator: LinearOperator,
    likelihood: Likelihood,
    noise: float | None,
    held: float,
) -> Measurement:
    """The line integrals of a scan with their noise, or its counts with their own law.

    held: std of what the grid cannot hold of a ray, beside the noise of line integrals.
    ValueError for noise beside the counts' law, and where nothing tells how noisy the rays are.
    """
    if likelihood == "transmission":
        if noise is not None:
            raise ValueError("the law of the counts has its own noise; leave --noise out")
        return transmission(scan, operator)
    if noise is None and scan.meta["weights"] is None:
        raise ValueError(
            f"{scan.source} does not tell how many photons there were; give the noise of the line "
            "integrals, --noise 0.01, or --noise auto"
        )
    return log_gaussian(scan, operator, noise, grid=held)


def _presented(
    scan: Record, operator: Projector, water: float, units: str
) -> Callable[[Tensor], Record]:
    """Attenuation in units of water's, (1, slice, y, x) -> a volume in HU, or in 1/bin."""
    height, width = operator.in_shape[-2:]
    pixel = operator.pixel
    affine = np.diag([-pixel, -pixel, pixel, 1.0])
    affine[:2, 3] = pixel * (width - 1) / 2, pixel * (height - 1) / 2
    geometry = scan.meta.get("geometry") or Geometry(affine)

    def present(signal: Tensor) -> Record:
        values = physics.hounsfield(signal, 1.0) if units == "HU" else water * signal
        meta = {"geometry": geometry, "modality": "CT", "units": units, "format": "ct"}
        if units == "HU":
            meta["mu_water"] = water
        return Record(values, "volume", scan.source, meta)

    return present


ct = Recipe(solve_ct, estimate_noise=estimate_noise, simulate=simulate, slices=True)
