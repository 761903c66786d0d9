"""ct-denoise: noise out of slices in Hounsfield units."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from restore_dicom.files.volume import valid_values, valid_voxels
from restore_dicom.files.volumes import volumes_of
from restore_dicom.noise import noise_std
from restore_operators import Identity
from torch import Tensor

from restore.files.task import Comparison, Recipe, Record, SamplerChoice, Task, by_slices
from restore.measurement.measurement import Measurement
from restore.measurement.noise import Gaussian
from restore.priors.combined.sliced import slicewise

from ..physics import attenuation, hounsfield
from . import show

STEPS = 25
TISSUE = (-200.0, 300.0)  # HU in which the noise is looked for: air is clipped, bone has edges
LEAST, MOST = -1024.0, 3071.0  # HU of air and of the brightest bone: what 12 bits hold
CARRIED = 5  # standard deviations that noise carries values beyond them
PADDING = 0.01  # share of voxels at one value below air: not noise, which never repeats so
DOSE = 20.0  # HU of noise that simulate adds where none is given


def solve_denoise(record: Record, noise: float | None, *, deidentify: bool = False) -> Task:
    """Take noise out of CT slices: DICOM files and series, NIfTI, MHA, in Hounsfield units.

    Noise is a standard deviation in HU; it is taken for white, as after a sharp kernel.

    deidentify: leave out of DICOM what names a person, and private data
    """
    record = replace(record, meta={**record.meta, "deidentify": deidentify})
    _check(record)
    if noise is None:
        raise ValueError(
            f"{record.source} does not tell its noise; give it in HU, --noise 20, or --noise auto"
        )
    if noise == 0:
        raise ValueError("the noise of a measurement must be positive")
    limits = _limits(record.signal, noise)
    outside = sum(
        int((valid & ~_within(values, limits)).sum())
        for values, valid in zip(record.signal[0], valid_voxels(record)[0])
    )
    facts = {"noise in HU": noise}
    if outside:
        facts["voxels passed through"] = f"{outside}, outside {LEAST:g} to {MOST:g} HU"

    return by_slices(record, lambda which: _task_of(record, which, noise, limits, facts))


def _task_of(
    record: Record,
    which: slice,
    noise: float,
    limits: tuple[float, float, float | None],
    facts: Mapping[str, Any],
) -> Task:
    """Some slices of a record as a task; its records are of these alone."""
    values, valid = record.signal[:, which], valid_voxels(record)[:, which]
    within = _within(values, limits)
    seen = values.clamp(min=-1000, max=MOST).where(~within, values)
    y = attenuation(torch.where(valid, seen, -1000.0), 1.0)

    def present(signal: Tensor) -> Record:
        restored = hounsfield(signal, 1.0).clamp(min=-1024)
        return record.with_signal(torch.where(valid & within, restored, values))

    return Task(
        Measurement(y, Identity(y.shape), Gaussian(noise / 1000)),
        "ct-slices",
        SamplerChoice("stochastic-denoising", STEPS),
        present,
        adapt_prior=slicewise,
        comparison=Comparison(views=lambda volume: show.views(_in_hounsfield(volume))),
        facts=facts,
    )


def simulate_denoise(record: Record, noise: float | None, seed: int) -> dict[str, Record]:
    """White noise on slices, of the std given in HU (20 if none is)."""
    _check(record)
    noise = DOSE if noise is None else noise
    generator = torch.Generator().manual_seed(seed)
    noisy = record.signal + noise * torch.randn(record.signal.shape, generator=generator)
    meta = {**record.meta, "operator": f"white noise of {noise:g} HU"}
    noisy = torch.where(valid_voxels(record), noisy, record.signal)
    return {"measurement": Record(noisy, record.kind, record.source, meta)}


def estimate_noise(record: Record) -> float:
    """The std of the noise in HU, from the details of soft tissue."""
    _check(record)
    low, high = TISSUE
    tissue = (record.signal > low) & (record.signal < high)
    return noise_std(record.signal, valid_voxels(record) & tissue)


def _limits(signal: Tensor, noise: float) -> tuple[float, float, float | None]:
    """The least and the largest value that a body may have, and that of undeclared padding."""
    room, lowest = CARRIED * noise, signal.min().item()
    count = sum(int((plane == lowest).sum()) for plane in signal[0])
    padding = lowest < LEAST and count > PADDING * signal.numel()
    return LEAST - room, MOST + room, lowest if padding else None


def _within(values: Tensor, limits: tuple[float, float, float | None]) -> Tensor:
    """Where values can be those of a body; elsewhere is padding that nobody declared, or metal."""
    low, high, padding = limits
    within = (values >= low) & (values <= high)
    return within if padding is None else within & (values != padding)


def _in_hounsfield(record: Record) -> Record:
    """The record in the Hounsfield units that `_check` found; NIfTI and MHA name no unit."""
    return replace(record, meta={**record.meta, "units": "HU"})


def _check(record: Record) -> None:
    """ValueError for what is no CT in Hounsfield units."""
    if record.kind != "volume":
        raise ValueError(f"{record.source} holds {record.kind}; ct-denoise takes slices")
    if record.meta.get("content") is not None:
        raise ValueError(f"{record.source} is {record.meta['content']}; ct-denoise takes slices")
    units, modality = record.meta.get("units"), record.meta.get("modality")
    if units not in ("HU", None, "1") or modality not in ("CT", None):
        raise ValueError(
            f"{record.source} is of modality {modality} in units {units}; ct-denoise takes CT in "
            "Hounsfield units"
        )
    if units != "HU" and valid_values(record).min() > -200:
        raise ValueError(
            f"{record.source} has no value below -200: these are no Hounsfield units of a slice "
            "with air around it"
        )


denoise = Recipe(
    solve_denoise,
    estimate_noise=estimate_noise,
    simulate=simulate_denoise,
    pieces=volumes_of,
    slices=True,
)
