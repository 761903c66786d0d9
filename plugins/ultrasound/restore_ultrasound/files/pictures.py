"""PNG of a frame: grey of 8 or 16 bits, RGB, palettes, with or without an alpha channel."""

from pathlib import Path

import numpy as np
from PIL import Image

from restore.atomic import atomic_file
from restore.files.naming import naming
from restore.files.task import Record

from .colours import GREY, PALETTE, RGB, Raster
from .frames import bmode, refuse_source, stored_frames

WIDE = ("I;16", "I;16B", "I;16L", "I")  # Pillow's modes of 16 bits


def read_png(path: str | Path) -> Record:
    """A frame as displayed, (1, 1, rows, columns), 0 to 1; 8 or 16 bits.

    meta: `raster`, `picture` (mode, palette, alpha and notes for the writer). ValueError for what
    is broken, or of bits that brightness is not made of.
    """
    path = Path(path)
    with naming(path), Image.open(path) as image:
        image.load()
        kept = {"mode": image.mode, "info": dict(image.info), "alpha": None}
        if image.mode == "P":
            colours = np.array(image.getpalette("RGB"), np.float32).reshape(-1, 3) / 255
            raster = Raster(np.asarray(image)[None], PALETTE, palette=colours)
            kept["palette"] = image.getpalette("RGB")
        elif image.mode in WIDE:
            raster = Raster(np.asarray(image).astype(np.uint16)[None], GREY, 65535)
        elif image.mode in ("L", "LA", "RGB", "RGBA"):
            stored = np.asarray(image)
            if image.mode in ("LA", "RGBA"):
                kept["alpha"], stored = stored[..., -1], stored[..., :-1]
            stored = stored[..., 0] if image.mode == "LA" else stored
            raster = Raster(stored[None], RGB if "RGB" in image.mode else GREY)
        else:
            raise ValueError(
                f"its pixels are of mode {image.mode}; grey, RGB and palettes are read"
            )
        return bmode(raster, path, format="png", picture=kept)


def write_png(record: Record, path: str | Path) -> None:
    """The source's mode, palette and alpha; pixels whose brightness stayed, bit for bit.

    ValueError where the record is not from PNG, or is a sequence.
    """
    path = Path(path)
    refuse_source(record, path)
    frames, kept = stored_frames(record, path), record.meta.get("picture")
    if kept is None:
        raise ValueError(f"{path}: the record is not from a PNG file")
    stored = next(frames)
    if kept["alpha"] is not None:
        stored = np.concatenate([np.atleast_3d(stored), kept["alpha"][..., None]], -1)
    image = Image.fromarray(stored, kept["mode"] if kept["mode"] == "P" else None)
    if kept["mode"] == "P":
        image.putpalette(kept["palette"])
    notes = {
        k: kept["info"][k] for k in ("dpi", "icc_profile", "transparency") if k in kept["info"]
    }
    with naming(path), atomic_file(path) as file:
        image.save(file, "PNG", **notes)
