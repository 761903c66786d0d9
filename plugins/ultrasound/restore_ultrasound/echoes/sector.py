"""Which pixels of a frame are echoes: the region's box, and the sector in it that is not black."""

from dataclasses import dataclass

import torch
from scipy import ndimage
from torch import Tensor

from restore.files.task import Record

BLACK = 2 / 255  # brightness up to which a pixel may be background
LEAST = 16  # pixels a side: less is no picture
WHOLE = "all"


@dataclass(frozen=True)
class Box:
    """Rows top to bottom and columns left to right of a frame, the last ones not included."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def slices(self) -> tuple[slice, slice]:
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def __str__(self) -> str:
        return f"{self.left},{self.top},{self.right},{self.bottom}"


def box_of(text: str, size: tuple[int, int], what: str = "--region") -> Box:
    """x0,y0,x1,y1, the last column and row not included, or "all"; ValueError for anything else."""
    rows, columns = size
    if text == WHOLE:
        return Box(0, rows, 0, columns)
    try:
        left, top, right, bottom = (int(n) for n in text.split(","))
    except ValueError:
        raise ValueError(f"{what} is x0,y0,x1,y1 or {WHOLE}, got {text!r}") from None
    if not (0 <= left < right <= columns and 0 <= top < bottom <= rows):
        raise ValueError(f"{what} {text} does not lie in a frame of {columns}x{rows}")
    if min(right - left, bottom - top) < LEAST:
        raise ValueError(f"{what} {text} is less than {LEAST} pixels wide or high")
    return Box(top, bottom, left, right)


def boxes(record: Record, region: str) -> list[Box]:
    """The boxes of a record that show echoes; region: "" for what the file tells.

    A DICOM file without regions may have text anywhere, and one whose regions do not fit was
    resized: both need `region` (ValueError). Other files are taken whole.
    """
    size = tuple(record.signal.shape[-2:])
    if region:
        return [box_of(region, size)]
    regions = record.meta.get("regions")
    if record.meta.get("format") != "dicom":
        return [box_of(WHOLE, size)]
    asked = f"give the box of the echoes, --region x0,y0,x1,y1, or --region {WHOLE}"
    if regions is None:
        raise ValueError(f"{record.source} tells no ultrasound regions; {asked}")
    shown = [r for r in regions if r.shows_tissue]
    if not shown:
        raise ValueError(
            f"{record.source}: none of its {len(regions)} regions shows tissue; {asked}"
        )
    found = []
    for r in shown:
        # the standard counts the last column in, some scanners the one after it
        right, bottom = min(r.right + 1, size[1]), min(r.bottom + 1, size[0])
        if (
            r.right > size[1]
            or r.bottom > size[0]
            or not (0 <= r.left < right and 0 <= r.top < bottom)
        ):
            raise ValueError(
                f"{record.source}: its region {r.left},{r.top},{r.right},{r.bottom} does not lie "
                f"in its frame of {size[1]}x{size[0]}; {asked}"
            )
        if min(right - r.left, bottom - r.top) >= LEAST:
            found.append(Box(r.top, bottom, r.left, right))
    if not found:
        raise ValueError(f"{record.source}: its regions are less than {LEAST} pixels wide; {asked}")
    return found


def sector(brightest: Tensor) -> Tensor:
    """Where echoes may be, bool (rows, columns), of the brightest that each pixel was in any frame.

    Small specks are passed over; between the outermost pixels of a row and of a column that are
    not black all is inside. Nothing is inside where all is black.
    """
    lit = ndimage.binary_opening(brightest.numpy() > BLACK, iterations=2)
    lit = torch.from_numpy(ndimage.binary_dilation(lit, iterations=2))
    return _spans(lit, 0) & _spans(lit, 1)


def _spans(lit: Tensor, axis: int) -> Tensor:
    """Between the first and the last that is True along an axis."""
    since = lit.int().cummax(axis).values
    until = lit.int().flip(axis).cummax(axis).values.flip(axis)
    return (since & until).bool()
