"""ct-denoise: noise out of slices in Hounsfield units."""

from dataclasses import replace

import torch
from restore_dicom.files.volume import valid_voxels
from restore_dicom.files.volumes import volumes_of
from restore_dicom.noise import noise_std
from restore_operators import Identity
from torch import Tensor

from restore.files.task import Comparison, Recipe, Record, SamplerChoice, Task
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
    valid, within = valid_voxels(record), _within_range(record.signal, noise)
    outside = int((valid & ~within).sum())
    seen = record.signal.clamp(min=-1000, max=MOST).where(~within, record.signal)
    y = attenuation(torch.where(valid, seen, -1000.0), 1.0)

    def present(signal: Tensor) -> Record:
        restored = hounsfield(signal, 1.0).clamp(min=-1024)
        return record.with_signal(torch.where(valid & within, restored, record.signal))

    facts = {"noise in HU": noise}
    if outside:
        facts["voxels passed through"] = f"{outside}, outside {LEAST:g} to {MOST:g} HU"
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


def _within_range(signal: Tensor, noise: float) -> Tensor:
    """Where values can be those of a body; elsewhere is padding that nobody declared, or metal."""
    room = CARRIED * noise
    within = (signal >= LEAST - room) & (signal <= MOST + room)
    lowest = signal == signal.min()
    if signal.min() < LEAST and lowest.float().mean() > PADDING:
        within &= ~lowest
    return within


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
    if units != "HU" and record.signal[valid_voxels(record)].min() > -200:
        raise ValueError(
            f"{record.source} has no value below -200: these are no Hounsfield units of a slice "
            "with air around it"
        )


denoise = Recipe(
    solve_denoise, estimate_noise=estimate_noise, simulate=simulate_denoise, pieces=volumes_of
)
