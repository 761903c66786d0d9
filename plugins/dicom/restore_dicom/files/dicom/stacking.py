"""Slices in patient space become a volume: their order, their step, and what forbids one.

Uneven steps and a tilted gantry forbid no restoration slice by slice: they leave a volume without
a geometry, whose slices each keep their own place.
"""

from collections.abc import Sequence

import numpy as np

from ...geometry import Geometry, Plane, direction

UNEVEN = 0.1  # of a step: positions are written with few decimals
SHEAR = 0.25  # of a pixel, from the first slice to the last
TURN = 1e-3  # between the direction cosines of two slices


def ordered(planes: Sequence[Plane], names: Sequence[str]) -> list[int]:
    """The slices' numbers from the first to the last along their normal.

    ValueError, with the names of the slices at fault, where directions or pixel spacings differ,
    or two slices lie at one place.
    """
    first = planes[0]
    for plane, name in zip(planes, names):
        if np.abs(plane.orientation - first.orientation).max() > TURN:
            raise ValueError(f"{name} is turned against {names[0]}: these slices are no one volume")
        if not np.allclose(plane.spacing, first.spacing, rtol=1e-3):
            raise ValueError(f"{name} has another PixelSpacing than {names[0]}")
    heights = _heights(planes)
    order = sorted(range(len(planes)), key=heights.__getitem__)
    _refuse_copies([heights[i] for i in order], [names[i] for i in order])
    return order


def irregular(planes: Sequence[Plane], names: Sequence[str]) -> str | None:
    """Why slices in order fill no box of equal voxels, in words; None where they do."""
    if len(planes) < 2:
        return None
    steps = np.diff(_heights(planes))
    usual = float(np.median(steps))
    off = np.abs(steps - usual)
    if off.max() > UNEVEN * usual:
        at = int(off.argmax())
        return (
            f"from {names[at]} to {names[at + 1]} it is {steps[at]:.4g} mm, elsewhere "
            f"{usual:.4g} mm: slices are missing, or their steps differ"
        )
    row, column = direction(planes[0].orientation)
    way = planes[-1].position - planes[0].position
    aside = np.hypot(way @ row, way @ column)
    if aside > SHEAR * min(planes[0].spacing):
        tilt = np.degrees(np.arctan2(aside, abs(way @ np.cross(row, column))))
        return (
            f"the slices are sheared, {aside:.3g} mm from first to last (a gantry tilt of "
            f"{tilt:.3g} degrees)"
        )
    return None


def _heights(planes: Sequence[Plane]) -> list[float]:
    """Where slices lie along the normal of the first, mm."""
    normal = np.cross(*direction(planes[0].orientation))
    return [float(plane.position @ normal) for plane in planes]


def stacked(planes: Sequence[Plane], thickness: float) -> Geometry:
    """The geometry of slices in order; thickness: the step of a slice that is alone."""
    first, last = planes[0], planes[-1]
    row, column = direction(first.orientation)
    step = thickness
    if len(planes) > 1:
        step = float((last.position - first.position) @ np.cross(row, column)) / (len(planes) - 1)
    return Geometry.from_dicom(first.position, first.orientation, first.spacing, step)


def _refuse_copies(heights: Sequence[float], names: Sequence[str]) -> None:
    steps = np.diff(heights)
    same = steps <= max(1e-3, UNEVEN * float(np.median(steps))) if len(steps) else steps > 0
    if same.any():
        at = int(np.argmax(same))
        raise ValueError(
            f"{names[at]} and {names[at + 1]} lie at the same place, {int(same.sum())} such "
            "pairs in all: echoes, time points or copies; give one of them only"
        )
