"""mri-denoise: noise out of magnitude images, as scanners export them."""

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

from ..kspace.scale import PERCENTILE, quantile
from .show import magnitudes

STEPS = 25
TISSUE = 0.1  # of the scale: what is less is background, whose magnitudes are not Gaussian


def solve_denoise(record: Record, noise: float | None, *, deidentify: bool = False) -> Task:
    """Take noise out of magnitude images: DICOM files and series, NIfTI, MHA.

    Noise is a share of the 99th percentile of the magnitude, of 4-D NIfTI that of its brightest
    volume; each of its volumes is restored by itself. The magnitude's Rician bias is taken
    off as sqrt(m^2 - noise^2), good to a percent above a signal-to-noise ratio of 3.

    deidentify: leave out of DICOM what names a person, and private data
    """
    record = replace(record, meta={**record.meta, "deidentify": deidentify})
    if noise is None:
        raise ValueError(
            f"{record.source} does not tell its noise; give it as a share of the brightest tissue, "
            "--noise 0.03, or --noise auto"
        )
    if noise == 0:
        raise ValueError("the noise of a measurement must be positive")
    scale = scale_of(record)
    in_file = noise * _brightness(record)
    facts = {"scale": scale, "noise in the file's units": in_file}
    return by_slices(record, lambda which: _task_of(record, which, in_file, scale, facts))


def _task_of(
    record: Record, which: slice, in_file: float, scale: float, facts: Mapping[str, Any]
) -> Task:
    """Some slices of a record as a task; its records are of these alone.

    in_file: the noise in the file's units.
    """
    values, valid = record.signal[:, which], valid_voxels(record)[:, which]
    noise, magnitude = in_file / scale, values / scale
    unbiased = (magnitude.square() - noise**2).clamp_min(0).sqrt()
    # the scanner had two such parts; turned to phase zero, the other was noise alone
    generator = torch.Generator().manual_seed(which.start or 0)
    quadrature = noise * torch.randn(magnitude.shape, generator=generator)
    y = torch.cat([unbiased, quadrature])

    def present(signal: Tensor) -> Record:
        restored = scale * signal[:1].clamp_min(0)
        return record.with_signal(torch.where(valid, restored, values))

    return Task(
        Measurement(y, Identity(y.shape), Gaussian(noise)),
        "mri-slices",
        SamplerChoice("stochastic-denoising", STEPS),
        present,
        adapt_prior=slicewise,
        comparison=Comparison(views=magnitudes(scale)),
        facts=facts,
    )


def simulate_denoise(record: Record, noise: float | None, seed: int) -> dict[str, Record]:
    """Rician noise on magnitude images: of both parts, of the std given (0.05 if none is)."""
    noise = 0.05 if noise is None else noise
    generator = torch.Generator().manual_seed(seed)
    parts = noise * _brightness(record) * torch.randn(2, *record.signal.shape, generator=generator)
    noisy = ((record.signal + parts[0]).square() + parts[1].square()).sqrt()
    noisy = torch.where(valid_voxels(record), noisy, record.signal)
    meta = {**record.meta, "operator": f"Rician noise of {noise:g}"}
    return {"measurement": Record(noisy, record.kind, record.source, meta)}


def estimate_noise(record: Record) -> float:
    """The std of the noise as a share of the scale, from the details of what is no background."""
    tissue = record.signal > TISSUE * scale_of(record)
    return noise_std(record.signal, valid_voxels(record) & tissue) / _brightness(record)


def scale_of(record: Record) -> float:
    """The 99th percentile of the magnitude. ValueError for what has none."""
    _refuse_what_is_no_magnitude(record)
    inside = valid_values(record)
    if inside.min() < 0:
        raise ValueError(f"{record.source} has negative values; mri-denoise takes magnitudes")
    scale = quantile(inside, PERCENTILE).item()
    if scale == 0:
        raise ValueError(f"{record.source} is black")
    return scale


def _brightness(record: Record) -> float:
    """What noise is a share of: the scale, or that of the brightest volume of the file."""
    scale = scale_of(record)
    return record.meta.get("brightest") or scale


def _refuse_what_is_no_magnitude(record: Record) -> None:
    if record.kind != "volume":
        raise ValueError(f"{record.source} holds {record.kind}; mri-denoise takes images")
    modality, content = record.meta.get("modality"), record.meta.get("content")
    if modality not in ("MR", None):
        raise ValueError(
            f"{record.source} is of modality {modality}; mri-denoise takes magnitudes of MR"
        )
    if content is not None:
        raise ValueError(
            f"{record.source} is {content}, by its ImageType; mri-denoise takes magnitudes"
        )


denoise = Recipe(
    solve_denoise,
    estimate_noise=estimate_noise,
    simulate=simulate_denoise,
    pieces=volumes_of,
    slices=True,
)
