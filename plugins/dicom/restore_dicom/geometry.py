"""Where voxels lie: an affine from voxel indices to millimetres, and its DICOM spelling.

Millimetres are RAS+ here, as in NIfTI: x to the right, y to the front, z to the head of the
patient. DICOM and MetaImage say LPS+: the first two axes turned round.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

LPS = np.diag([-1.0, -1.0, 1.0, 1.0])  # LPS+ <-> RAS+, its own inverse
VOXEL = (1e-6, 1e4)  # mm: the least and the greatest that anything is imaged with
FARTHEST = 1e7  # mm from the origin
SQUARE = 1e-3  # direction cosines come in few decimals: cos of the angle between rows and columns


class Plane(NamedTuple):
    """One slice as DICOM places it (PS3.3 C.7.6.2), in LPS+ mm."""

    position: np.ndarray  # (3,): the centre of the first pixel
    orientation: np.ndarray  # (6,): the direction along a row, then that down a column
    spacing: tuple[float, float]  # between rows (y), between columns (x)


@dataclass(frozen=True, eq=False)
class Geometry:
    """The place of a volume's voxels; the signal's axes are (1, z, y, x)."""

    affine: np.ndarray  # (4, 4) float64: voxel index (x, y, z, 1) -> mm, RAS+

    def __post_init__(self) -> None:
        affine = np.array(self.affine, np.float64)
        if affine.shape != (4, 4):
            raise ValueError(f"an affine is 4x4, got {'x'.join(map(str, affine.shape))}")
        if not np.isfinite(affine).all() or not np.array_equal(affine[3], [0, 0, 0, 1]):
            raise ValueError("an affine is finite and ends in the row 0 0 0 1")
        lengths = np.linalg.norm(affine[:3, :3], axis=0)
        if lengths.min() > 0 and not VOXEL[0] <= lengths.min() <= lengths.max() <= VOXEL[1]:
            raise ValueError(f"voxels of {'x'.join(f'{n:g}' for n in lengths)} mm are impossible")
        if np.abs(affine[:3, 3]).max() > FARTHEST:
            raise ValueError(f"the first voxel is {np.abs(affine[:3, 3]).max():g} mm away")
        if lengths.min() == 0 or abs(np.linalg.det(affine[:3, :3] / lengths)) < SQUARE:
            raise ValueError("the affine is flat: its three voxel axes span no volume")
        affine.setflags(write=False)
        object.__setattr__(self, "affine", affine)

    @classmethod
    def from_dicom(
        cls,
        position: Sequence[float],
        orientation: Sequence[float],
        pixel_spacing: Sequence[float],
        step: float,
    ) -> "Geometry":
        """Slices along the normal of the first, `step` mm from one to the next.

        position, orientation: ImagePositionPatient and ImageOrientationPatient of the first;
        pixel_spacing: between rows, between columns. ValueError for what is no right angle.
        """
        row, column = direction(orientation)
        affine = np.eye(4)
        affine[:3, 0] = row * float(pixel_spacing[1])
        affine[:3, 1] = column * float(pixel_spacing[0])
        affine[:3, 2] = np.cross(row, column) * step
        affine[:3, 3] = [float(p) for p in position]
        return cls(LPS @ affine)

    @classmethod
    def centred(
        cls, shape: tuple[int, int, int], spacing: tuple[float, float, float]
    ) -> "Geometry":
        """A geometry of (z, y, x) voxels about the origin, rows to the left, columns to the back.

        For volumes whose size is known and whose place is not.
        """
        steps = np.array(spacing[::-1], np.float64)
        affine = np.diag([*steps, 1.0])
        affine[:3, 3] = -(np.array(shape[::-1]) - 1) / 2 * steps
        return cls.from_lps(affine)

    @classmethod
    def from_lps(cls, affine: np.ndarray) -> "Geometry":
        """The geometry of an affine from voxel indices to LPS+ mm."""
        return cls(LPS @ affine)

    @property
    def lps(self) -> np.ndarray:
        """The affine to LPS+ mm, (4, 4)."""
        return LPS @ self.affine

    @property
    def spacing(self) -> tuple[float, float, float]:
        """mm from one voxel to the next along (z, y, x)."""
        x, y, z = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(z), float(y), float(x)

    def plane(self, z: float) -> Plane:
        """Slice number z as DICOM says it; ValueError where the voxels are sheared."""
        lps = self.lps
        axes = lps[:3, :3] / np.linalg.norm(lps[:3, :3], axis=0)
        if np.abs(axes.T @ axes - np.eye(3)).max() > 10 * SQUARE:
            raise ValueError("the voxels are sheared; DICOM holds slices at right angles only")
        position = lps[:3] @ [0.0, 0.0, z, 1.0]
        _, y, x = self.spacing
        return Plane(position, np.concatenate([axes[:, 0], axes[:, 1]]), (y, x))

    def close_to(self, other: "Geometry | None", tolerance: float = 1e-3) -> bool:
        """Whether the first voxel agrees to `tolerance` mm, and each step to a hundredth of it."""
        if other is None:
            return False
        off = np.abs(self.affine - other.affine)[:3]
        return bool(off[:, 3].max() <= tolerance and off[:, :3].max() <= tolerance / 100)

    def cropped(self, z: int = 0, y: int = 0, x: int = 0) -> "Geometry":
        """The geometry of the part that begins at that voxel."""
        shift = np.eye(4)
        shift[:3, 3] = x, y, z
        return Geometry(self.affine @ shift)

    def resampled(self, z: float = 1.0, y: float = 1.0, x: float = 1.0) -> "Geometry":
        """The geometry of so many times the voxels along each axis, over one field of view."""
        factors = np.array([x, y, z])
        finer = np.diag([*(1 / factors), 1.0])
        finer[:3, 3] = (1 / factors - 1) / 2  # voxels are boxes: their outer faces stay
        return Geometry(self.affine @ finer)


def direction(orientation: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """ImageOrientationPatient as two unit vectors, along a row and down a column."""
    cosines = np.array([float(c) for c in orientation])
    if cosines.shape != (6,) or not np.isfinite(cosines).all():
        raise ValueError(f"ImageOrientationPatient is six numbers, got {list(orientation)}")
    row, column = cosines[:3], cosines[3:]
    lengths = np.linalg.norm(row), np.linalg.norm(column)
    if min(lengths) < 0.9 or max(lengths) > 1.1 or abs(row @ column) > 10 * SQUARE:
        raise ValueError(f"ImageOrientationPatient holds no right angle: {list(orientation)}")
    return row / lengths[0], column / lengths[1]
