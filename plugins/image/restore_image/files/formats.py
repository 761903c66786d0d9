"""Pictures on disk: PNG, JPEG, TIFF, WebP, BMP, GIF and NPY (see pixels.py for Records).

Every reader is path -> Record, every writer (record, path) -> None. Readers raise ValueError, in
one line that names the file, for what is broken, animated, of several pages or not grey or RGB.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from restore.atomic import atomic_file
from restore.files.naming import naming
from restore.files.task import Record
from restore.untrusted.arrays import read_array
from restore.untrusted.bounds import refuse_bomb

from . import png, tiff
from .beside_pixels import iptc_segment
from .pillow import metadata, pixels_of
from .pixels import profile, to_pixels, to_record

QUALITY = 95  # of JPEG, and of WebP that was not lossless


def read_png(path: str | Path) -> Record:
    """Grey, colour or palette (read as its colours), 1 to 16 bits, with or without alpha."""
    path = Path(path)
    with _opened(path) as image:
        pixels = pixels_of(image)
        facts = metadata(image) | {"resolution": png.resolution(path)}
        return to_record(pixels, path, chunks=png.kept_chunks(path), **facts)


def read_jpeg(path: str | Path) -> Record:
    """Grey or colour, 8 bits. Of a file with more pictures behind the first (MPO), the first."""
    return _by_pillow(Path(path))


def read_webp(path: str | Path) -> Record:
    """Colour, 8 bits, with or without alpha."""
    path = Path(path)
    with _opened(path) as image:
        lossless = b"VP8L" in _webp_chunks(path)
        return to_record(pixels_of(image), path, lossless=lossless, **metadata(image))


def read_bmp(path: str | Path) -> Record:
    """Grey, colour or palette, 8 bits."""
    return _by_pillow(Path(path))


def read_gif(path: str | Path) -> Record:
    """One picture of a palette, with or without transparency; written as PNG."""
    path = Path(path)
    with _opened(path) as image:
        return to_record(pixels_of(image), path)


def read_tiff(path: str | Path) -> Record:
    """Grey, colour or palette, 1, 8 or 16 bits or float, with or without alpha, one page."""
    path = Path(path)
    with naming(path):
        return tiff.read(path)


def read_npy(path: str | Path) -> Record:
    """(height, width), (height, width, channels) or (channels, height, width), 1 to 4 channels.

    Two channels are grey and alpha, four are colour and alpha. uint8 and uint16 run from 0 to the
    dtype's greatest value, bool is 0 and 1, floats are taken as they are, nominally 0 to 1.
    ValueError where both the first and the last axis could be the channels.
    """
    path = Path(path)
    with naming(path):
        array = read_array(path)
        layout = _layout(array.shape)
        if layout == "hw":
            array = array[..., None]
        elif layout == "chw":
            array = array.transpose(1, 2, 0)
        return to_record(array.astype(array.dtype.newbyteorder("=")), path, layout=layout)


def write_png(record: Record, path: str | Path) -> None:
    """8 or 16 bits, as the record's file had; 16 of a picture of floats."""
    path = Path(path)
    if np.dtype(record.meta.get("dtype", "uint8")).kind == "f":
        record = replace(record, meta={**record.meta, "dtype": "uint16"})
    pixels = to_pixels(record, path)
    _whole_numbers(pixels, path, "uint8", "uint16")
    meta = record.meta
    with atomic_file(path) as file:
        png.write(
            file,
            pixels,
            icc=profile(meta, len(record.signal)),
            exif=meta.get("exif"),
            resolution=meta.get("resolution"),
            chunks=meta.get("chunks", ()),
        )


def write_jpeg(record: Record, path: str | Path) -> None:
    """8 bits, quality 95, colour in full resolution (4:4:4)."""
    resolution = record.meta.get("resolution")
    inches = {"dpi": _per_inch(resolution)} if resolution else {}
    inches["extra"] = iptc_segment(record.meta.get("iptc"))
    _save(record, Path(path), "JPEG", quality=QUALITY, subsampling=0, **inches)


def write_webp(record: Record, path: str | Path) -> None:
    """8 bits, lossless where the record's file was, otherwise quality 95."""
    lossless = record.meta.get("lossless", False)
    _save(record, Path(path), "WEBP", quality=QUALITY, lossless=lossless, exact=True)


def write_bmp(record: Record, path: str | Path) -> None:
    """8 bits, without alpha."""
    _save(record, Path(path), "BMP")


def write_tiff(record: Record, path: str | Path) -> None:
    """8 or 16 bits or float; deflated where the record's file was compressed."""
    path = Path(path)
    pixels = to_pixels(record, path)
    with atomic_file(path) as file:
        tiff.write(file, pixels, record.meta)


def write_npy(record: Record, path: str | Path) -> None:
    """Write a picture as a NumPy array, in the layout and dtype of the file it was read from."""
    path = Path(path)
    pixels = to_pixels(record, path)
    layout = record.meta.get("layout", "hw")
    if layout == "chw":
        pixels = pixels.transpose(2, 0, 1)
    elif layout == "hw" and pixels.shape[2] == 1:
        pixels = pixels[..., 0]
    with atomic_file(path) as file:
        np.save(file, np.ascontiguousarray(pixels))


def read(path: str | Path) -> Record:
    """The picture in a file, read by its extension; ValueError for one that is not a picture's."""
    path = Path(path)
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise ValueError(f"{path} is no picture that is read here: {', '.join(READERS)}")
    return reader(path)


READERS = {
    ".png": read_png,
    ".jpg": read_jpeg,
    ".jpeg": read_jpeg,
    ".tif": read_tiff,
    ".tiff": read_tiff,
    ".webp": read_webp,
    ".bmp": read_bmp,
    ".gif": read_gif,
    ".npy": read_npy,
}


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    with naming(path):
        try:
            image = Image.open(path, formats=("PNG", "JPEG", "WEBP", "BMP", "GIF"))
        except UnidentifiedImageError:
            raise ValueError(
                "it is no PNG, JPEG, WebP, BMP or GIF picture, or is cut off"
            ) from None
        with image:
            refuse_bomb(image.width * image.height, path.stat().st_size)
            if getattr(image, "is_animated", False) and image.format != "MPO":
                raise ValueError(f"it is animated, {image.n_frames} pictures; give it one by one")
            yield image


def _by_pillow(path: Path) -> Record:
    """A picture of which Pillow tells all that is kept."""
    with _opened(path) as image:
        return to_record(pixels_of(image), path, **metadata(image))


def _save(record: Record, path: Path, name: str, **options: Any) -> None:
    """Write a picture with Pillow, in 8 bits, with the metadata that it had.

    ValueError for alpha where the format has none.
    """
    pixels = to_pixels(record, path)
    _whole_numbers(pixels, path, "uint8")
    if name in ("JPEG", "BMP") and pixels.shape[2] in (2, 4):
        raise ValueError(f"{path}: {name} holds no alpha; write PNG, TIFF or WebP")
    if name == "WEBP" and pixels.shape[2] == 2:  # has no grey
        pixels = pixels[..., [0, 0, 0, 1]]
    kept = {
        "icc_profile": profile(record.meta, len(record.signal)),
        "exif": record.meta.get("exif"),
        "xmp": record.meta.get("xmp"),
    }
    options |= {key: value for key, value in kept.items() if value}
    with atomic_file(path) as file:
        Image.fromarray(pixels.squeeze(2) if pixels.shape[2] == 1 else pixels).save(
            file, name, **options
        )


def _whole_numbers(pixels: np.ndarray, path: Path, *dtypes: str) -> None:
    if pixels.dtype.name not in dtypes:
        raise ValueError(
            f"{path}: {path.suffix} holds {' or '.join(dtypes)}, the picture is {pixels.dtype}; "
            f"write {'PNG, TIFF or NPY' if pixels.dtype == np.uint16 else 'TIFF or NPY'}"
        )


def _per_inch(resolution: tuple[float, float, str]) -> tuple[float, float]:
    across, down, unit = resolution
    inch = {"inch": 1.0, "cm": 2.54, "metre": 0.0254}[unit]
    return across * inch, down * inch


def _layout(shape: tuple[int, ...]) -> str:
    if len(shape) == 2:
        return "hw"
    first, last = (len(shape) == 3 and 1 <= shape[side] <= 4 for side in (0, -1))
    if first and last:
        raise ValueError(f"the shape {shape} may be channels first or last; give (height, width)")
    if not (first or last):
        raise ValueError(
            f"the shape {shape} is no picture: (height, width), (height, width, channels) or "
            "(channels, height, width) with 1 to 4 channels"
        )
    return "chw" if first else "hwc"


def _webp_chunks(path: Path) -> set[bytes]:
    """The names of the chunks in the RIFF container."""
    names = set()
    with open(path, "rb") as file:
        file.seek(12)
        while len(head := file.read(8)) == 8:
            names.add(head[:4])
            length = int.from_bytes(head[4:], "little")
            file.seek(length + length % 2, 1)
    return names
