"""ISMRMRD raw data, assembled: (slice, coil, ky, kx) on a grid, or samples along a trajectory.

Rows are phase-encoded, columns the readout. Of a volume (two phase encodings) the readout is
transformed and its pixels are the slices: (ky, kx) are then the first and the second encoding.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from torch import Tensor

from restore.files.task import Record

from ...kspace.along_trajectory import along, in_cycles
from ...kspace.cartesian import cartesian, reconstruction
from ...kspace.samples import shared, to_image
from .acquisitions import Acquisitions
from .assembly import Assembly, assemble
from .header import Header, Space, parse
from .placing import of_slices, of_volume

GRIDS = ("cartesian", "epi")


def read(group: h5py.Group, path: Path) -> Record:
    """A group with `xml` and `data`.

    meta besides that of every k-space: `frames`, for each of the first axis its numbers of slice,
    contrast, phase, repetition and set; `averages` (slice, ky, kx) where they differ, else None;
    `calibration`, k-space of the signal's shape with the lines that only calibrate, or None;
    `header`, the XML.
    """
    xml = np.ravel(group["xml"][()])[0]
    header, acquired = parse(xml), Acquisitions(group["data"])
    whitener = acquired.whitener(header.noise_bandwidth)
    said = []
    if whitener is not None:
        said.append(f"the coils were prewhitened by {len(acquired.noise)} readouts of noise")
    if acquired.skipped:
        said.append(f"{acquired.skipped} readouts that are not of the image were left out")
    noise = None if whitener is None else 1.0
    if header.trajectory not in GRIDS:
        return _along(acquired, header, whitener, path, noise=noise, converted=said, header_xml=xml)
    if header.trajectory == "epi":
        said.append("echo-planar readouts were taken as they are, their ghosts not corrected")
    header = _oversampled(header, acquired, said)
    assembly = _without_oversampling(assemble(acquired, header, whitener), header, said)
    averages = None
    if noise is not None:
        noise, averages = assembly.noise(noise)
    planes = _planes if assembly.samples.shape[2] == 1 else _partitions
    parts = planes(assembly, averages, header, acquired.heads[acquired.image], said)
    return cartesian(
        path=path, form="ismrmrd", declared=True, converted=said, noise=noise, header=xml, **parts
    )


def _oversampled(header: Header, acquired: Acquisitions, said: list[str]) -> Header:
    """The header as its readouts have it, where they are a whole multiple of what it encodes.

    Some converters write the matrix that was asked for as the encoded one, and leave out that the
    readout was sampled more densely, over a field of view so many times as wide.
    """
    nx, recon = header.encoded.matrix[0], header.recon.matrix[0]
    heads = acquired.heads[acquired.image]
    counts = {int(n) for n in heads["number_of_samples"]}
    count = counts.pop() if len(counts) == 1 else 0
    whole = (heads["center_sample"] == count // 2).all() and not (
        heads["discard_pre"].any() or heads["discard_post"].any()
    )
    if not whole or nx < 1 or nx != recon or count <= nx or count % nx:
        return header
    times = count // nx
    said.append(
        f"the readouts have {count} samples, the header encodes {nx}: taken for an oversampling "
        f"by {times}, over a field of view {times} times as wide"
    )
    matrix, field = header.encoded.matrix, header.encoded.field_of_view
    wide = Space((count, *matrix[1:]), (times * field[0], *field[1:]))
    return replace(header, encoded=wide)


def _without_oversampling(assembly: Assembly, header: Header, said: list[str]) -> Assembly:
    """Cropped to the reconstructed field of view, if the readouts are whole."""
    nx = assembly.samples.shape[-1]
    kept = header.field_kept(0, nx)
    if kept == nx:
        return assembly
    if not assembly.whole_readouts:
        said.append("the readouts are partial, so their oversampling was kept")
        return assembly
    said.append(f"readout oversampling was removed: the middle {kept} of {nx} pixels are kept")
    return assembly.cropped(kept)


def _planes(
    assembly: Assembly,
    averages: Tensor | None,
    header: Header,
    heads: np.ndarray,
    said: list[str],
) -> dict[str, Any]:
    """Every frame is one plane."""
    ny, nx = assembly.samples.shape[-2:]
    kept = min(nx, header.field_kept(0, header.encoded.matrix[0]))
    crop, more = reconstruction((header.field_kept(1, ny), kept), (ny, nx))
    said += more
    geometry, order = of_slices(heads, assembly.frames, header, crop or (ny, nx))
    acs = assembly.calibration
    return {
        "samples": assembly.samples[order, :, 0],
        "mask": shared(assembly.counts[order, 0] > 0),
        "crop": crop,
        "geometry": geometry,
        "frames": [assembly.frames[i] for i in order],
        "averages": None if averages is None else averages[order, 0],
        "calibration": None if acs is None else acs[order, :, 0],
    }


def _partitions(
    assembly: Assembly,
    averages: Tensor | None,
    header: Header,
    heads: np.ndarray,
    said: list[str],
) -> dict[str, Any]:
    """Every frame is a volume; the pixels of its readout become the slices."""
    nz, ny, nx = assembly.samples.shape[-3:]
    if not assembly.whole_readouts:
        said.append("the readouts are partial; what they lack counts as zero")
    said.append(f"the readout was transformed; its {nx} pixels are the slices, (ky, kz) the plane")
    crop, more = reconstruction((header.field_kept(1, ny), header.field_kept(2, nz)), (ny, nz))
    said += more

    def sliced(volume: Tensor) -> Tensor:  # (frame, coil, kz, ky, kx) -> (frame x, coil, ky, kz)
        return to_image(volume, (-1,)).permute(0, 4, 1, 3, 2).flatten(0, 1)

    def on_slices(plane: Tensor) -> Tensor:  # (frame, kz, ky) -> (frame x, ky, kz)
        return plane.mT.repeat_interleave(nx, 0)

    single = len(assembly.frames) == 1
    acs = assembly.calibration
    return {
        "samples": sliced(assembly.samples),
        "mask": shared(on_slices((assembly.counts > 0).any(-1))),
        "crop": crop,
        "geometry": of_volume(heads, header, nx, crop or (ny, nz)) if single else None,
        "frames": [frame for frame in assembly.frames for _ in range(nx)],
        "averages": None if averages is None else on_slices(averages.amax(-1)),
        "calibration": None if acs is None else sliced(acs),
    }


def _along(
    acquired: Acquisitions,
    header: Header,
    whitener: np.ndarray | None,
    path: Path,
    *,
    converted: list[str],
    header_xml: bytes,
    noise: float | None,
) -> Record:
    """Readouts end to end; every frame must have the trajectory of the first."""
    frames: dict[tuple[int, ...], list] = {}
    for readout in acquired.readouts(acquired.image):
        frames.setdefault(readout.frame, []).append(readout)
    named = sorted(frames)
    places = [np.concatenate([r.places for r in frames[frame]]) for frame in named]
    if not places[0].size:
        raise ValueError(f"its header says {header.trajectory}, but its readouts have no places")
    if any(p.shape != places[0].shape or not np.allclose(p, places[0]) for p in places):
        raise ValueError("its frames have different trajectories; give them one by one")
    samples = [np.concatenate([r.samples for r in frames[frame]], axis=1) for frame in named]
    if whitener is not None:
        samples = [whitener @ frame for frame in samples]
    nx, ny = header.encoded.matrix[:2]
    if min(nx, ny) < 1:
        raise ValueError("its ISMRMRD header states no encoded matrix")
    trajectory, said = in_cycles(places[0], (nx, ny))
    crop, more = reconstruction((header.field_kept(1, ny), header.field_kept(0, nx)), (ny, nx))
    geometry, order = of_slices(acquired.heads[acquired.image], named, header, crop or (ny, nx))
    return along(
        torch.from_numpy(np.stack(samples).astype(np.complex64))[order],
        trajectory,
        path,
        "ismrmrd",
        shape=(ny, nx),
        crop=crop,
        noise=noise,
        geometry=geometry,
        frames=[named[i] for i in order],
        converted=[*converted, said, *more],
        header=header_xml,
    )
