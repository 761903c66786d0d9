"""Stored pixels and their values: decoding, bits, rescaling and padding.

MONOCHROME1 is a matter of display, white for the least value: values are as they are stored.
"""

from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
from pydicom import Dataset
from pydicom.pixels import pixel_array
from pydicom.uid import UID

from restore.untrusted.bounds import refuse_bomb

CODECS = {  # a family of transfer syntaxes: a module that decodes it, and the package to install
    "JPEG 2000": ("openjpeg", "pylibjpeg pylibjpeg-openjpeg"),
    "High-Throughput": ("openjpeg", "pylibjpeg pylibjpeg-openjpeg"),
    "JPEG": ("gdcm", "python-gdcm"),
}
ADVICE = ("plugin", "pip ", "install", "libjpeg", "requires", "force=True")  # of pydicom's own
HOUNSFIELD, FARTHEST = 1e6, 1e15  # the greatest value of CT, and of anything else


@dataclass(frozen=True)
class Encoding:
    """The map from the numbers on file to the values of a slice: stored * slope + intercept."""

    slope: float
    intercept: float
    bits: int  # stored
    signed: bool

    @property
    def limits(self) -> tuple[int, int]:
        """The least and the greatest number that the stored bits hold."""
        half = 1 << (self.bits - 1)
        return (-half, half - 1) if self.signed else (0, 2 * half - 1)

    def values(self, stored: np.ndarray) -> np.ndarray:
        """Integers -> float64."""
        return stored.astype(np.int64) * self.slope + self.intercept

    def stored(self, values: np.ndarray) -> np.ndarray:
        """Values -> the nearest integers that the stored bits hold, int64."""
        numbers = (values.astype(np.float64) - self.intercept) / self.slope
        return np.clip(np.rint(numbers), *self.limits).astype(np.int64)


def encoding(header: Dataset, transformation: Dataset) -> Encoding:
    """The encoding of a slice; transformation: the header or frame's item with its RescaleSlope."""
    slope, intercept = rescale(transformation, header.get("Modality"))
    found = Encoding(slope, intercept, int(header.BitsStored), int(header.PixelRepresentation) == 1)
    most = HOUNSFIELD if header.get("Modality") == "CT" else FARTHEST
    if not abs(intercept) + abs(slope) * max(map(abs, found.limits)) <= most:
        raise ValueError(
            f"its RescaleSlope {slope:g} and RescaleIntercept {intercept:g} make values that are "
            f"impossible, beyond {most:g}"
        )
    return found


def decoded(dataset: Dataset) -> np.ndarray:
    """The stored integers, (frames, rows, columns), their unused bits (old overlays) cut off.

    ValueError for what holds no grey pixels of 8 or 16 bits, for a missing decoder (naming the
    packages to install) and for truncated data.
    """
    _refuse_what_is_not_grey(dataset)
    frames = int(dataset.get("NumberOfFrames") or 1)
    refuse_bomb(frames * int(dataset.Rows) * int(dataset.Columns), len(dataset.PixelData))
    try:
        pixels = pixel_array(dataset, allow_excess_frames=False)
    except Exception as error:  # pydicom and its decoders raise anything
        raise ValueError(decoding_error(dataset, error)) from error
    pixels = pixels.reshape(-1, int(dataset.Rows), int(dataset.Columns)).astype(np.int64)
    bits, signed = int(dataset.BitsStored), int(dataset.PixelRepresentation) == 1
    pixels = pixels >> max(int(dataset.get("HighBit", bits - 1)) + 1 - bits, 0)
    pixels = pixels & ((1 << bits) - 1)
    if signed:
        pixels = np.where(pixels >> (bits - 1), pixels - (1 << bits), pixels)
    return pixels.astype(kind(dataset))


def kind(dataset: Dataset) -> np.dtype:
    """The numpy type of one stored pixel, little-endian."""
    sign = "i" if int(dataset.PixelRepresentation) == 1 else "u"
    return np.dtype(f"<{sign}{int(dataset.BitsAllocated) // 8}")


def rescale(header: Dataset, modality: str | None) -> tuple[float, float]:
    """Slope and intercept of a slice or of PixelValueTransformationSequence's item.

    Where there are none, 1 and 0; but CT without them is no Hounsfield units: ValueError.
    """
    slope, intercept = header.get("RescaleSlope"), header.get("RescaleIntercept")
    if "ModalityLUTSequence" in header:
        raise ValueError("its values go through a table (ModalityLUTSequence), not a slope")
    if modality == "CT" and (slope is None or intercept is None):
        raise ValueError(
            "a CT image without RescaleSlope and RescaleIntercept: its values are no Hounsfield "
            "units, and are not guessed"
        )
    slope = 1.0 if slope is None else float(slope)
    intercept = 0.0 if intercept is None else float(intercept)
    if slope == 0 or not np.isfinite([slope, intercept]).all():
        raise ValueError(f"its RescaleSlope is {slope:g}, RescaleIntercept {intercept:g}")
    return slope, intercept


def padding(header: Dataset, stored: np.ndarray) -> np.ndarray:
    """True where a stored pixel is padding: PixelPaddingValue up to PixelPaddingRangeLimit."""
    first = _number(header.get("PixelPaddingValue"), stored.dtype)
    if first is None:
        return np.zeros(stored.shape, bool)
    last = _number(header.get("PixelPaddingRangeLimit"), stored.dtype)
    low, high = sorted((first, first if last is None else last))
    return (stored >= low) & (stored <= high)


def _number(value: object, dtype: np.dtype) -> int | None:
    """An attribute's number in the type of the pixels, whatever signedness it was written with.

    None for an attribute that is missing or empty.
    """
    if value is None or value == "":
        return None
    if isinstance(value, bytes):
        value = int.from_bytes(value[: dtype.itemsize], "little")
    return int(np.array(int(value) & ((1 << 8 * dtype.itemsize) - 1), "u8").astype(dtype))


def _refuse_what_is_not_grey(dataset: Dataset) -> None:
    name = UID(str(dataset.get("SOPClassUID", ""))).name or "no SOP class"
    if "FloatPixelData" in dataset or "DoubleFloatPixelData" in dataset:
        raise ValueError(f"its pixels are floats ({name}); integers are read here")
    if "PixelData" not in dataset:
        raise ValueError(f"it holds no pixel data ({name})")
    missing = [k for k in ("Rows", "Columns", "BitsAllocated", "BitsStored", "PixelRepresentation")
               if dataset.get(k) is None]  # fmt: skip
    if missing:
        raise ValueError(f"its pixels are not described: {', '.join(missing)} missing")
    colours = str(dataset.get("PhotometricInterpretation", "MONOCHROME2"))
    if int(dataset.get("SamplesPerPixel", 1)) != 1 or not colours.startswith("MONOCHROME"):
        raise ValueError(f"its pixels are {colours}; grey ones are read here")
    allocated, bits = int(dataset.BitsAllocated), int(dataset.BitsStored)
    if allocated not in (8, 16) or not 1 <= bits <= allocated:
        raise ValueError(f"its pixels are {bits} of {allocated} bits ({name}); 8 and 16 are read")


def decoding_error(dataset: Dataset, error: Exception) -> str:
    """Why pixels did not decode, in one line; for a missing decoder the packages to install.

    What pydicom advises is not passed on: the decoders that it names are not all free to use.
    """
    meta = getattr(dataset, "file_meta", None)
    syntax = UID(str(meta.get("TransferSyntaxUID", ""))) if meta else UID("")
    for family, (module, packages) in CODECS.items():
        if family in syntax.name and find_spec(module) is None:
            return f"{syntax.name} needs a decoder: pip install {packages}"
    reason = " ".join(str(error).split()).split(" - ")[0]
    if "less than expected" in reason:
        return f"it is cut off: {reason}"
    if any(word in reason for word in ADVICE):
        return (
            f"no decoder here takes its pixel data ({syntax.name or 'no transfer syntax'}): it is "
            "broken, or is to be saved uncompressed first, by dcmdjpeg or gdcmconv --raw, say"
        )
    return f"its pixel data does not decode: {reason}"
