"""What Pillow decodes, without its losses: all 16 bits of colour, transparency as alpha."""

from typing import Any

import numpy as np
from PIL import ExifTags, Image

from .beside_pixels import iptc_of, without_thumbnail

GREY_STEPS = {"L;2": 85, "L;4": 17}  # Pillow spreads 2 and 4 bits over 8, but not the clear key


def pixels_of(image: Image.Image) -> np.ndarray:
    """(height, width, channels): grey, grey and alpha, RGB or RGBA, in uint8, uint16 or float32."""
    raw = _raw_mode(image)
    if raw.split(";")[-1] in ("16B", "16L", "16N") and image.mode in ("RGB", "RGBA", "LA"):
        pixels = _in_16_bits(image, raw)
    elif image.mode in ("P", "PA"):
        clear = "transparency" in image.info or image.mode == "PA"
        return _grey_if_it_is(np.asarray(image.convert("RGBA" if clear else "RGB")))
    elif image.mode == "1":
        pixels = np.asarray(image.convert("L"))[..., None]
    elif image.mode in ("L", "LA", "RGB", "RGBA", "I;16", "I;16B", "F"):
        pixels = np.atleast_3d(np.asarray(image))
        pixels = pixels.astype(pixels.dtype.newbyteorder("="))
    else:
        raise ValueError(f"its colours are {image.mode}; convert it to grey or RGB first")
    key = image.info.get("transparency")
    if key is None or pixels.shape[2] in (2, 4):
        return pixels
    return _with_alpha(pixels, np.asarray(key) * GREY_STEPS.get(raw, 1))


def metadata(image: Image.Image) -> dict[str, Any]:
    """Orientation, resolution, ICC profile, EXIF and XMP, as pixels.py names them."""
    info = image.info
    orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    dpi = info.get("dpi")
    return {
        "orientation": orientation if orientation in range(1, 9) else 1,
        "resolution": (*map(float, dpi), "inch") if dpi and all(dpi) else None,
        "icc": info.get("icc_profile") or None,
        "exif": without_thumbnail(info["exif"]) if info.get("exif") else None,
        "xmp": info.get("xmp") or None,
        "iptc": iptc_of(info.get("photoshop")),
    }


def _raw_mode(image: Image.Image) -> str:
    """The packing of the file's bytes, in Pillow's words: "RGB;16B", "L;4", ..."""
    if not getattr(image, "tile", None):
        return ""
    arguments = image.tile[0][3]
    first = arguments if isinstance(arguments, str) else (arguments or ("",))[0]
    return first if isinstance(first, str) else ""  # of GIF, a number


def _in_16_bits(image: Image.Image, raw: str) -> np.ndarray:
    """Pillow keeps the high byte of each value only: decode twice, the second time for the low.

    Told that the byte order is the other one, it takes the low bytes for the high ones.
    """
    mode, order = raw.split(";")
    if mode == "LA":  # four bytes a pixel, taken as red, green, blue, alpha
        quads = _decoded(image, "RGBA").astype(np.uint16)
        return quads[..., ::2] << 8 | quads[..., 1::2]
    other = {"16B": "16L", "16L": "16B", "16N": "16B" if np.little_endian else "16L"}[order]
    high, low = _decoded(image, raw), _decoded(image, f"{mode};{other}")
    return high.astype(np.uint16) << 8 | low


def _decoded(image: Image.Image, raw: str) -> np.ndarray:
    with Image.open(image.filename, formats=(image.format,)) as fresh:
        codec, extents, offset, arguments = fresh.tile[0]
        arguments = raw if isinstance(arguments, str) else (raw, *arguments[1:])
        fresh.tile = [type(fresh.tile[0])(codec, extents, offset, arguments)]
        return np.asarray(fresh)


def _with_alpha(pixels: np.ndarray, clear: np.ndarray) -> np.ndarray:
    """One value or colour of the picture stands for "nothing here" (PNG's tRNS)."""
    opaque = (pixels != clear).any(2, keepdims=True)
    alpha = opaque * np.array(np.iinfo(pixels.dtype).max, pixels.dtype)
    return np.concatenate([pixels, alpha], 2)


def _grey_if_it_is(pixels: np.ndarray) -> np.ndarray:
    """A palette of greys is a grey picture."""
    if (pixels[..., :1] == pixels[..., 1:3]).all():
        return pixels[..., [0, *range(3, pixels.shape[2])]]
    return pixels
