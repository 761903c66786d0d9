"""NIfTI, .nii and .nii.gz: header and affine kept, values written as float32 without scaling."""

import gzip
import logging
import math
import zlib
from pathlib import Path

import numpy as np
from nibabel.nifti1 import Nifti1Header, Nifti1Image
from nibabel.nifti2 import Nifti2Header, Nifti2Image

from restore.atomic import atomic_file
from restore.files.naming import naming
from restore.files.task import Record
from restore.untrusted.bounds import refuse_bomb

from ..geometry import Geometry
from .bounded import beginning, inflated
from .derived.derivation import WARNING
from .volume import no_geometry, volume, voxels

logging.getLogger("nibabel.global").setLevel(logging.CRITICAL)  # it raises what matters

SCANNER = 1  # sform and qform code: scanner-based coordinates
LARGEST = 32767  # voxels along an axis of NIfTI-1
HEADER, FARTHEST = 540, 1 << 30  # bytes of the larger header; where voxels begin, at most
PACKED = 1 << 16  # bytes that the header is looked for in
GZIP = 16 + zlib.MAX_WBITS


def read_nifti(path: str | Path) -> Record:
    """A volume (x, y, z) as (1, z, y, x); value = raw * scl_slope + scl_inter where a slope is set.

    Axes of length 1 beyond the third are dropped, and come back when it is written. ValueError in
    one line that names the file where it is broken, cut off, complex, coloured or a time series.
    """
    path = Path(path)
    with naming(path):
        image = opened(path)
        shape = image.shape
        if len(shape) < 2 or any(n != 1 for n in shape[3:]):
            sizes = "x".join(map(str, shape))
            raise ValueError(f"it is {sizes}, not one volume: give its volumes one by one")
        if image.get_data_dtype().kind not in "iuf":
            raise ValueError(f"its values are {image.get_data_dtype()}; real numbers are read here")
        values = np.asanyarray(image.dataobj).reshape((*shape, 1)[:3])
        return volume(
            values.transpose(2, 1, 0),
            path,
            format="nifti",
            geometry=Geometry(image.affine),
            nifti=image.header.copy(),
            shape=shape,
        )


def write_nifti(record: Record, path: str | Path) -> None:
    """float32, slope 1; of a record from NIfTI its header, otherwise a new one of its geometry.

    ValueError for a volume without geometry.
    """
    path = Path(path)
    values = voxels(record, path).transpose(2, 1, 0)
    header = record.meta.get("nifti")
    geometry = record.meta.get("geometry")
    if geometry is None:
        raise ValueError(f"{path}: {no_geometry(record)}, and NIfTI needs its affine")
    with naming(path):
        image = _new(values, geometry) if header is None else _like(values, header, record)
        image.header["descrip"] = WARNING.encode()
        data = image.to_bytes()
        with atomic_file(path) as file:
            if path.suffix == ".gz":
                data = gzip.compress(data, 1, mtime=0)
            file.write(data)


def is_name(path: Path) -> bool:
    """Whether a file is NIfTI by its name."""
    return path.name.lower().endswith((".nii", ".nii.gz"))


def header_of(path: Path) -> Nifti1Header:
    """The header of a file, of version 1 or 2. ValueError for what has none, or impossible ones."""
    with open(path, "rb") as file:
        return _header(file.read(PACKED), path.stat().st_size)[0]


def opened(path: Path) -> Nifti1Image:
    """NIfTI-1 or 2 in one file, checked to its end (gzip's sum over the whole)."""
    content = path.read_bytes()
    header, wanted = _header(content, len(content))
    kind = Nifti2Image if header.sizeof_hdr == 540 else Nifti1Image
    return kind.from_bytes(inflated(content, wanted, GZIP) if _packed(content) else content)


def _header(content: bytes, stored: int) -> tuple[Nifti1Header, int]:
    """The header, and the bytes that a file of it has; of the first of so many stored bytes."""
    head = beginning(content, HEADER, GZIP) if _packed(content) else content[:HEADER]
    sizes = {int.from_bytes(head[:4], order) for order in ("little", "big")}
    for size, magic, kind in ((348, b"n+1\0", Nifti1Header), (540, b"n+2\0", Nifti2Header)):
        at = {348: slice(344, 348), 540: slice(4, 8)}[size]
        if size in sizes and head[at] == magic:
            header = kind(head[:size], check=False)
            return header, _declared(header, stored)
    raise ValueError("it is no NIfTI in one file (its magic is neither n+1 nor n+2)")


def _packed(content: bytes) -> bool:
    return content[:2] == b"\x1f\x8b"


def _declared(header: Nifti1Header, stored: int) -> int:
    """The bytes of a file of this header. ValueError for a scale or sizes that are impossible."""
    slope, inter = float(header["scl_slope"]), float(header["scl_inter"])
    if not (math.isfinite(slope) and (slope == 0 or math.isfinite(inter))):
        raise ValueError(f"its scl_slope is {slope:g}, its scl_inter {inter:g}")
    if not 0 <= float(header["vox_offset"]) <= FARTHEST:
        raise ValueError(f"its vox_offset is {float(header['vox_offset']):g}")
    count = math.prod(max(int(n), 0) for n in header.get_data_shape())
    refuse_bomb(count, stored)
    return int(header["vox_offset"]) + count * header.get_data_dtype().itemsize


def _new(values: np.ndarray, geometry: Geometry) -> Nifti1Image:
    kind = Nifti1Image if max(values.shape) <= LARGEST else Nifti2Image
    image = kind(values, geometry.affine)
    image.header.set_xyzt_units("mm", "sec")
    image.set_sform(geometry.affine, SCANNER)
    image.set_qform(geometry.affine, SCANNER)
    return image


def _like(values: np.ndarray, header: Nifti1Header, record: Record) -> Nifti1Image:
    """A NIfTI image with the header that the record was read with.

    Its affine stays, too, unless the geometry has changed.
    """
    kind = Nifti2Image if header.sizeof_hdr == 540 else Nifti1Image
    shape = record.meta["shape"]
    header = header.copy()
    header.set_data_dtype(np.float32)
    geometry: Geometry = record.meta["geometry"]
    same = geometry.close_to(Geometry(header.get_best_affine()))
    if same and values.shape == (*shape, 1)[:3]:
        return kind(values.reshape(shape), None, header)
    image = kind(values, geometry.affine, header)
    image.set_sform(geometry.affine, int(header["sform_code"]) or SCANNER)
    image.set_qform(geometry.affine, int(header["qform_code"]) or SCANNER)
    return image
