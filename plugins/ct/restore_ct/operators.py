"""The projector of a scan: from the attenuation of a volume to the line integrals on file."""

from dataclasses import replace

from restore_operators.tomography.fan import FanBeam
from restore_operators.tomography.projector import Projector
from restore_operators.tomography.radon import Radon, axis_offset

from restore.files.task import Record

from .scan import CURVED, PARALLEL, grid, refuse_sizes


def projector(
    record: Record, shape: tuple[int, int] | None = None, pixel: float | None = None
) -> Projector:
    """(1, slice, y, x) -> (1, slice, view, bin) of a scan's geometry.

    shape, pixel: of the picture, where not what the scan asks for; pixel in its unit of length.
    Attenuation is then in 1/mm, or per bin where the scan knows no other unit (length "bin").
    """
    meta, (asked, own) = record.meta, grid(record)
    in_shape = (1, len(record.signal), *(shape or asked))
    pixel = own if pixel is None else pixel
    refuse_sizes(record, in_shape[-2:], pixel)
    options = {"pitch": meta["pitch"], "offset": meta["offset"], "pixel": pixel}
    bins = record.signal.shape[-1]
    if meta["beam"] == PARALLEL:
        return Radon(in_shape, meta["angles"], bins, **options)
    return FanBeam(
        in_shape,
        meta["angles"],
        bins,
        source_radius=meta["source_radius"],
        detector_radius=meta["detector_radius"],
        curved=meta["beam"] == CURVED,
        **options,
    )


def centred(record: Record, axis: float) -> Record:
    """The scan with its axis of rotation on bin `axis`, counted from 0, whatever it was before."""
    bins, pitch = record.signal.shape[-1], record.meta["pitch"]
    offset = axis_offset(axis, bins, pitch)
    return replace(record, meta={**record.meta, "offset": offset, "centre": offset})
