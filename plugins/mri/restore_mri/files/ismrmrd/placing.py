"""Where the pictures of an ISMRMRD scan lie: from the positions and directions of its readouts.

The position of a readout is that of the middle of the field of view, which is the voxel n // 2 of
the transform; directions and positions are LPS+ mm.
"""

import numpy as np
from restore_dicom.geometry import Geometry

from .assembly import Frame
from .header import Header

DIRECTIONS = ("read_dir", "phase_dir", "slice_dir")
EVEN = 0.01  # of the step between slices: how far from it a slice may lie


def of_slices(
    heads: np.ndarray, frames: list[Frame], header: Header, size: tuple[int, int]
) -> tuple[Geometry | None, list[int]]:
    """The geometry of planes of `size` (y, x), and the order of the frames along its z axis.

    heads: of the image's readouts. None where the file does not say it, or says what is no volume:
    slices at uneven steps, or several frames of one slice.
    """
    order = list(range(len(frames)))
    slices = [frame[0] for frame in frames]
    axes, pixel = _axes(heads), header.encoded.pixel
    if axes is None or pixel is None or len(set(slices)) < len(slices):
        return None, order
    numbers = heads["idx"]["slice"]
    places = np.array([heads["position"][np.argmax(numbers == s)] for s in slices], np.float64)
    depths = places @ axes[2]
    order = [int(i) for i in np.argsort(depths, kind="stable")]
    places, steps = places[order], np.diff(depths[order])
    step = float(steps.mean()) if len(steps) else pixel[2]
    if step <= 0 or (len(steps) and np.abs(steps - step).max() > EVEN * step):
        return None, order
    along = axes[2] * step if len(steps) == 0 else (places[-1] - places[0]) / len(steps)
    columns = (axes[0] * pixel[0], axes[1] * pixel[1], along)
    return _geometry(columns, places[0], (size[1] // 2, size[0] // 2, 0)), order


def of_volume(
    heads: np.ndarray, header: Header, slices: int, size: tuple[int, int]
) -> Geometry | None:
    """The geometry of a volume whose slices are the pixels of the readout; None if unknown.

    size: pixels along both phase encodings.
    """
    axes, pixel = _axes(heads), header.encoded.pixel
    if axes is None or pixel is None:
        return None
    columns = (axes[2] * pixel[2], axes[1] * pixel[1], axes[0] * pixel[0])
    middle = (size[1] // 2, size[0] // 2, slices // 2)
    return _geometry(columns, heads["position"][0].astype(np.float64), middle)


def _axes(heads: np.ndarray) -> np.ndarray | None:
    """(3, 3): unit vectors along readout, first phase encoding and slice; None if not stated."""
    if not {"position", *DIRECTIONS} <= set(heads.dtype.names):
        return None
    axes = np.stack([heads[name][0].astype(np.float64) for name in DIRECTIONS])
    lengths = np.linalg.norm(axes, axis=1, keepdims=True)
    if not np.isfinite(axes).all() or lengths.min() < 0.5:
        return None
    axes = axes / lengths
    return axes if np.abs(np.linalg.det(axes)) > 0.5 else None


def _geometry(
    columns: tuple[np.ndarray, ...], position: np.ndarray, middle: tuple[int, int, int]
) -> Geometry:
    """position: of the voxel `middle` (x, y, z), LPS+ mm."""
    affine = np.eye(4)
    affine[:3, :3] = np.stack(columns, axis=1)
    affine[:3, 3] = position - affine[:3, :3] @ middle
    return Geometry.from_lps(affine)
