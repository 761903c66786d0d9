"""BART's pair of files: a .hdr of words and a .cfl of complex64 in Fortran order.

Dimensions: 0 readout, 1 and 2 phase encodings, 3 coils, 4 sets of maps, 5 echoes, 10 and 11 time,
13 slices, 14 averages (Uecker et al., BART, doi:10.5281/zenodo.592960).
"""

import math
from pathlib import Path
from typing import BinaryIO

import numpy as np

from restore.files.task import Record
from restore.measurement.checks import sizes

from ..kspace.cartesian import cartesian
from ..kspace.samples import checked, to_image

COIL, SLICE = 3, 13
FRAMES = (SLICE, 5, 10, 11)  # what becomes the first axis, slices slowest


def read(path: Path) -> Record:
    """The name of either file. ValueError where the other is missing or their sizes differ.

    Of a volume (dimensions 0, 1 and 2) the readout is transformed and its pixels are the slices.
    """
    header, data = pair(path)
    for needed in (header, data):
        if not needed.exists():
            raise ValueError(f"{path}: k-space of BART is two files, {needed.name} is missing")
    dims = _dimensions(header)
    count = math.prod(dims)
    if data.stat().st_size != 8 * count:
        raise ValueError(
            f"{data} holds {data.stat().st_size} bytes, {header.name} says {8 * count}: "
            f"{sizes(dims)} numbers of 8"
        )
    array = np.fromfile(data, "<c8").reshape([*dims, *[1] * (16 - len(dims))], order="F")
    used = [i for i, n in enumerate(array.shape) if n > 1 and i not in (0, 1, 2, COIL, *FRAMES)]
    if used:
        raise ValueError(f"its dimension {used[0]} has {array.shape[used[0]]} entries: no k-space")
    frames = math.prod(array.shape[i] for i in FRAMES)
    volume = array.transpose(*FRAMES, COIL, 2, 1, 0, 4, 6, 7, 8, 9, 12, 14, 15)
    z, y, x = (array.shape[i] for i in (2, 1, 0))
    volume = volume.reshape(frames, array.shape[COIL], z, y, x)
    said = [f"its {sizes(dims)} became (slice, coil, ky, kx)"]
    plane = [i for i in (2, 1, 0) if array.shape[i] > 1]
    if len(plane) == 3:
        nx = array.shape[0]
        hybrid = to_image(checked(volume), (-1,)).permute(0, 4, 1, 3, 2).flatten(0, 1)
        said.append(f"the readout was transformed; its {nx} pixels are the slices")
        return cartesian(hybrid, path, "bart", converted=said)
    if len(plane) < 2:
        raise ValueError(f"its dimensions {sizes(dims)} hold no plane of k-space")
    shape = [array.shape[i] for i in plane]
    return cartesian(volume.reshape(*volume.shape[:2], *shape), path, "bart", converted=said)


def write(array: np.ndarray, header: BinaryIO, data: BinaryIO) -> None:
    """Pictures (slice, y, x), real or complex: dimensions 0 and 1 are x and y, 13 the slices."""
    slices, y, x = array.shape
    dims = [x, y, *[1] * 14]
    dims[SLICE] = slices
    words = "# Dimensions\n" + " ".join(map(str, dims)) + "\n# Creator\nrestore\n"
    header.write(words.encode())
    data.write(np.ascontiguousarray(array, "<c8").data)


def pair(path: Path) -> tuple[Path, Path]:
    """The names of header and data."""
    return path.with_suffix(".hdr"), path.with_suffix(".cfl")


def _dimensions(header: Path) -> list[int]:
    lines = header.read_text("latin-1").splitlines()
    marks = [i for i, line in enumerate(lines) if line.strip() == "# Dimensions"]
    words = lines[marks[0] + 1].split() if marks and marks[0] + 1 < len(lines) else []
    if not words or len(words) > 16 or not all(w.isdigit() and int(w) for w in words):
        raise ValueError(f"{header} has no line of dimensions; it is no header of BART")
    return [int(word) for word in words]
