"""mri: k-space becomes images."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

import torch
from restore_dicom.geometry import Geometry
from restore_dicom.templates import in_dicom
from restore_operators.reconstruction import classical
from torch import Tensor

from restore.files.task import Comparison, Recipe, Record, SamplerChoice, Task, by_slices
from restore.measurement.measurement import Measurement
from restore.priors.combined.sliced import perpendicular, slicewise
from restore.priors.schedules import geometric

from ..masks import masks
from .gridded_scan import gridded
from .held_out import kept_back
from .noisy_reference import full_scan_draws
from .scan import CALIBRATION, Scan, scan
from .show import channels, magnitudes

PRIOR, STEPS = "mri-slices", 60
# DiffPIR on k-space, tuned on held-out slices at noises of 0.005, 0.02 and 0.1: what was measured
# tells more than levels above the first, and the steps are spent where aliases dissolve. How far to
# trust the prior depends on how much of a scan it knows: held-out lines tell.
LEVELS = (1.0, 0.01)
TRUST, TRUSTS = 1.0, (0.6, 1.0, 2.0)
MaskName = Literal[
    "equispaced", "equispaced-fraction", "random", "magic", "magic-fraction", "poisson", "radial",
    "spiral",
]  # fmt: skip
# a scan of so few lines shows sharper pixels than the prior has seen: on a finer grid a validation
# slice of 96 lines gains 0.9 dB
COARSE, REFINED = 128, 2
UNKNOWN = (1.0, 1.0, 1.0)  # mm, the voxels of a file that tells nothing of them
Volume = Literal["slices", "perpendicular"]
Phase = Literal["calibration", "free"]
# weights of the classical baselines, in units of the scale, and steps: tuned on validation slices
TV, WAVELET, GRADIENTS = 3e-3, 5e-3, 6


def solve_mri(
    record: Record,
    noise: float | None,
    *,
    accelerate: float | None = None,
    mask: MaskName = "equispaced",
    mask_file: Path | None = None,
    calibration: int = CALIBRATION,
    mask_seed: int = 0,
    maps: str = "espirit",
    coils: int | None = None,
    volume: Volume = "slices",
    phase: Phase = "calibration",
    refine: int | None = None,
    template: Path | None = None,
) -> Task:
    """Images of k-space: fastMRI or ISMRMRD (.h5), BART (.cfl), .npy, .npz, MATLAB (.mat).

    accelerate: keep only one sample of so many of a full scan, and compare with all of it
    mask: which samples are kept: lines, or poisson: points of both axes
    mask_file: .npy of the samples that are kept, 1 or 0, (ky, kx)
    calibration: lines of the middle that are kept, and of which maps are made
    mask_seed: of random masks
    maps: espirit, low-frequency, or a file of coil maps (slice, coil, y, x)
    coils: compress to so many virtual coils
    volume: slices, each for itself, or perpendicular: by slices along two axes in turn
    phase: calibration: known where it is smooth, from the middle of k-space; or free
    refine: times as fine a grid that the prior sees; else 2 for scans of up to 128 lines, or 1
    template: a DICOM slice or series of the patient: the answer is written as such, magnitudes
    """
    if record.kind == "kspace" and record.meta.get("trajectory") is not None:
        _refuse_grid_options(record, accelerate, mask_file, coils, refine)
        found = gridded(record, noise, maps=maps, calibration=calibration, phase=phase)
        return _in_dicom(_task(found, None, volume), record, template)
    keep = _kept(record, accelerate, mask, mask_file, calibration, mask_seed)
    least, full = scan(
        record, noise, maps=maps, mask=keep, coils=coils, calibration=calibration, phase=phase
    )
    times = _refined(least, volume, refine)
    least, full = (replace(one, refine=times) for one in (least, full))
    return _in_dicom(_task(least, None if keep is None else full, volume), record, template)


def _task(least: Scan, full: Scan | None, volume: Volume) -> Task:
    """The problem of a scan, slice by slice where each is for itself.

    full: what there was before samples were left out, to compare with.
    """
    if volume != "slices" or len(least.kspace) == 1:
        return _compared(task_of(least, volume), least, full)

    def task(which: slice) -> Task:
        part = least.only(which)
        return _compared(task_of(part), part, None if full is None else full.only(which))

    parts = [task(slice(k, k + 1)).comparison for k in range(len(least.kspace))]
    seen = [part.input_shown if full is None else part.reference for part in parts]
    whole = _volume(torch.cat([record.signal for record in seen], 1), least.record)
    found = by_slices(whole, task)
    return found if full is None else found.compared_with(whole)


def _compared(task: Task, least: Scan, full: Scan | None) -> Task:
    if full is None:
        return task
    reference = task.present(channels(full.combined()))
    share = least.mask.double().mean().item()
    compared = task.compared_with(reference, full_scan_draws(least, full, task))
    return compared.with_facts({"acceleration": 1 / share})


def task_of(scan: Scan, volume: Volume = "slices") -> Task:
    """The problem of a scan; signals are (2, slice, y, x) in units of its scale.

    `present` takes them on the scan's own grid, too.
    """
    measurement, plain = scan.measurement(), replace(scan, refine=1).measurement()
    record, scale = scan.record, scan.scale
    along_trajectory = record.meta.get("trajectory") is not None
    visible = (scan.maps != 0).any(1)  # elsewhere the prior would speak alone
    if scan.phase is not None:
        visible = visible * scan.phase

    def present(signal: Tensor) -> Record:
        image = scan.on_its_grid(torch.complex(*signal.chunk(2)))
        return _volume(_cropped(scale * visible * image, record), record)

    def sought(make: Callable[[], Tensor]) -> Callable[[], Tensor]:
        return lambda: channels(scan.sought(torch.complex(*make().chunk(2))))

    return Task(
        measurement,
        PRIOR,
        SamplerChoice(
            "diffpir",
            STEPS,
            options={"trust": TRUST},
            schedule=lambda steps: levels(steps, scan.refine),
            candidate_options=[{"trust": trust} for trust in TRUSTS],
        ),
        present,
        adapt_prior=slicewise if volume == "slices" else perpendicular,
        held_out_split=None if along_trajectory else lambda: kept_back(scan),
        comparison=Comparison(
            input_shown=present(plain.operator.adjoint(plain.y)[0]),
            baselines={n: sought(make) for n, make in baselines(plain).items()},
            views=magnitudes(scale),
        ),
        facts={
            "scale": scale,
            "noise in the file's units": scan.noise * scale,
            "coils": scan.kspace.shape[1],
            "phase": "free" if scan.phase is None else "of the middle of k-space, taken off",
            "converted": list(record.meta.get("converted", ())),
            "voxels": "as the file says"
            if record.meta.get("geometry")
            else "unknown; taken as 1 mm",
            **({} if scan.refine == 1 else {"grid": f"{scan.refine} times as fine as the scan"}),
        },
    )


def _volume(image: Tensor, record: Record) -> Record:
    """An image (1, slice, y, x) of a scan as a record."""
    geometry = record.meta.get("geometry") or Geometry.centred(image.shape[1:], UNKNOWN)
    return Record(image, "volume", record.source, {**record.meta, "geometry": geometry})


def levels(steps: int, times: int = 1) -> Tensor:
    """The noise levels of a run of so many steps, on a grid so many times as fine.

    What the scan sees of the finer grid's noise is that much less.
    """
    return times * geometric(*LEVELS, steps)


def baselines(measurement: Measurement) -> Mapping[str, Callable[[], Tensor]]:
    """Classical answers by name; signals of (2, slice, y, x)."""
    y, operator, coupled = measurement.y, measurement.operator, {"complex_valued": True}
    return {
        "zero-filled": lambda: operator.adjoint(y)[0],
        "sense-cg": lambda: classical.cgls(y, operator, GRADIENTS)[0],
        "tv": lambda: classical.total_variation(y, operator, TV, 150, axes=(-2, -1), **coupled)[0],
        "l1-wavelet": lambda: classical.wavelet_l1(y, operator, WAVELET, 60, complex_valued=True)[
            0
        ],
    }


def _in_dicom(task: Task, record: Record, template: Path | None) -> Task:
    """The task after a template; voxels of unknown size are the template's."""
    if template is None:
        return task
    known = record.meta.get("geometry") is not None

    def of_mr(found: Record) -> Record:
        meta = {**found.meta, "modality": "MR"} | ({} if known else {"geometry": None})
        return replace(found, meta=meta)

    def presenting(task: Task) -> Task:
        return replace(task, present=lambda signal: of_mr(task.present(signal)))

    frames, task = task.frames, presenting(task)
    if frames is not None:
        whole, at_once = of_mr(frames.whole), lambda: presenting(frames.at_once())
        task = replace(task, frames=replace(frames, whole=whole, at_once=at_once))
    return in_dicom(task, template, fit=True, placed=known)


def _kept(record: Record, accelerate, name, file, calibration, seed) -> Tensor | None:
    """The samples to keep of a full scan, (ky, kx) bool; None: all. ValueError for no k-space."""
    if accelerate is None and file is None:
        return None
    if record.kind != "kspace":
        raise ValueError(f"{record.source} holds {record.kind}; mri takes k-space")
    size = record.signal.shape[-2:]
    if file is not None:
        return masks.from_file(file, size)
    axis = record.meta.get("phase_axis") or -1
    return masks.accelerate(
        name, size, accelerate, calibration=calibration, seed=seed, phase_axis=axis
    )


def _refined(scan: Scan, volume: Volume, asked: int | None) -> int:
    """How many times as fine a grid images are sought on; ValueError for what is no such number.

    Of a volume it stays 1: the slices of its other axes would be of voxels of another shape.
    """
    if asked is None:
        coarse = max(scan.kspace.shape[-2:]) <= COARSE and volume == "slices"
        return REFINED if coarse else 1
    if asked < 1 or (asked > 1 and volume != "slices"):
        raise ValueError(f"--refine is 1 or more, and 1 for volumes, got {asked}")
    return asked


def _refuse_grid_options(record: Record, accelerate, file, coils, refine) -> None:
    given = {"accelerate": accelerate, "mask-file": file, "coils": coils, "refine": refine}
    for name, value in given.items():
        if value is not None:
            raise ValueError(f"--{name} is for k-space on a grid; {record.source} has a trajectory")


def _cropped(image: Tensor, record: Record) -> Tensor:
    """The middle of an image, of the size of the file's own reconstruction."""
    crop = record.meta.get("crop")
    if crop is None:
        return image
    for axis, wanted in zip((-2, -1), crop):
        n = image.shape[axis]
        image = image.narrow(axis, n // 2 - wanted // 2, wanted)
    return image


mri = Recipe(solve_mri, slices=True)
