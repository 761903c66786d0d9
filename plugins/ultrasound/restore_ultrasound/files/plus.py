"""Sequences of the Plus toolkit: MetaImage with frames along the last axis.

UltrasoundImageType says what is stored, UltrasoundImageOrientation along which axes: of two (or
three) letters the first is where x points, the second where y does; M marked side, U unmarked, F
far from the probe, N near. Lasso et al., IEEE TBME 2014; the toolkit's manual, "Ultrasound image
orientation".
"""

import math
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from restore_dicom.files.mha import data_of, elements, needed, parsed

from restore.atomic import atomic_file
from restore.files.naming import naming
from restore.files.task import Record

from .colours import Raster
from .frames import BMODE, IQ, RF, bmode, raster_of, refuse_source, scaled

TYPES = ("BRIGHTNESS", "RF_REAL", "RF_IQ_LINE", "RF_I_LINE_Q_LINE")
FULL = 32768.0  # stored number that counts as 1 of rf and iq
STATUS = "ImageStatus"


def read_mha(path: str | Path) -> Record:
    """A .mha or .mhd sequence, as bmode, rf or iq: (1, frames, depth, lines).

    Depth runs away from the probe and lines from the unmarked to the marked side, whatever the
    file's orientation. BRIGHTNESS is divided by 255, RF and IQ by 32768. ValueError for what is no
    such sequence or is cut off, and where the type is not told and the elements are no bytes.
    """
    path = Path(path)
    with naming(path):
        fields, rest = parsed(path.read_bytes())
        size = [int(n) for n in needed(fields, "DimSize").split()]
        if len(size) != int(needed(fields, "NDims")) or len(size) not in (2, 3) or min(size) < 1:
            raise ValueError(f"its DimSize is {fields['DimSize']}: frames have two axes")
        if int(fields.get("ElementNumberOfChannels", 1)) != 1:
            raise ValueError(f"it has {fields['ElementNumberOfChannels']} channels, not one")
        values = elements(data_of(path, fields, rest, math.prod(size)), fields, size)
        kind = _type(fields, values)
        stored = _turned(values.reshape([*size, 1][:3][::-1]), _letters(fields))
        meta = {"format": "mha", "fields": fields, "seconds": _seconds(fields, len(stored))}
        meta["polar"] = _letters(fields)[0] in "FN"  # lines of the probe, not yet scan-converted
        if kind == "BRIGHTNESS":
            return bmode(Raster(stored), path, **meta)
        made = _complex(stored, kind) / FULL
        return Record(scaled(made, path)[None], RF if kind == "RF_REAL" else IQ, path, meta)


def write_mha(record: Record, path: str | Path) -> None:
    """The source's type, orientation, fields and frame fields; .mhd writes elements beside.

    RF and IQ are rounded to the source's integers. ValueError where the record is not of Plus.
    """
    path = Path(path)
    refuse_source(record, path)
    fields = record.meta.get("fields")
    if not isinstance(fields, Mapping):
        raise ValueError(f"{path}: the record is not from a MetaImage sequence")
    with naming(path):
        data = _turned_back(_stored(record, path), _letters(fields)).tobytes()
        fields = {k: v for k, v in fields.items() if k not in ("CompressedDataSize", "HeaderSize")}
        if fields.get("CompressedData", "False").lower() == "true":
            data = zlib.compress(data, 6)
            fields["CompressedDataSize"] = str(len(data))
        local = path.suffix.lower() != ".mhd"
        beside = path.with_suffix(".raw")
        fields["ElementDataFile"] = "LOCAL" if local else beside.name
        last = {"ElementDataFile": fields.pop("ElementDataFile")}
        head = "".join(f"{key} = {value}\n" for key, value in {**fields, **last}.items()).encode()
        if not local:
            with atomic_file(beside) as file:
                file.write(data)
        with atomic_file(path) as file:
            file.write(head + data if local else head)


def _type(fields: Mapping[str, str], values: np.ndarray) -> str:
    kind = fields.get("UltrasoundImageType")
    if kind is None and values.dtype == np.uint8:
        return "BRIGHTNESS"
    if kind not in TYPES:
        raise ValueError(f"its UltrasoundImageType is {kind}; one of {', '.join(TYPES)} is read")
    if (values.dtype == np.uint8) != (kind == "BRIGHTNESS"):
        raise ValueError(f"its elements are {fields['ElementType']}, which {kind} is not")
    return kind


def _letters(fields: Mapping[str, str]) -> str:
    """Where x and y point: FM, NM, MF, ...; MF where nothing is told."""
    letters = fields.get("UltrasoundImageOrientation", "MF")[:2].upper()
    if sorted(letter in "FN" for letter in letters) != [False, True] or set(letters) - set("FNMU"):
        raise ValueError(f"its UltrasoundImageOrientation is {letters}; MF, FM, NM, ... are known")
    return letters


def _turned(stored: np.ndarray, letters: str) -> np.ndarray:
    """(frames, y, x) -> (frames, depth, lines), a view."""
    stored = stored.swapaxes(1, 2) if letters[0] in "FN" else stored
    stored = stored[:, ::-1] if "N" in letters else stored
    return stored[:, :, ::-1] if "U" in letters else stored


def _turned_back(stored: np.ndarray, letters: str) -> np.ndarray:
    stored = stored[:, :, ::-1] if "U" in letters else stored
    stored = stored[:, ::-1] if "N" in letters else stored
    return np.ascontiguousarray(stored.swapaxes(1, 2) if letters[0] in "FN" else stored)


def _complex(stored: np.ndarray, kind: str) -> np.ndarray:
    """(frames, depth, lines) of numbers -> of samples; complex where there are I and Q."""
    if kind == "RF_REAL":
        return stored.astype(np.float32)
    axis = 1 if kind == "RF_IQ_LINE" else 2
    if stored.shape[axis] % 2:
        raise ValueError(f"it holds {stored.shape[axis]} numbers where I and Q make pairs")
    first, second = np.moveaxis(stored, axis, 0)[0::2], np.moveaxis(stored, axis, 0)[1::2]
    return np.moveaxis(first.astype(np.float32) + 1j * second.astype(np.float32), 0, axis)


def _stored(record: Record, path: Path) -> np.ndarray:
    """The numbers of a record, (frames, depth, lines), I and Q where they were."""
    if record.kind == BMODE:
        return raster_of(record, path).stored
    kind = record.meta["fields"]["UltrasoundImageType"]
    samples = record.signal[0].numpy() * FULL
    if kind == "RF_REAL":
        return np.clip(np.rint(samples), -FULL, FULL - 1).astype("<i2")
    axis = 1 if kind == "RF_IQ_LINE" else 2
    pairs = np.stack([samples.real, samples.imag], axis + 1)
    shape = list(samples.shape)
    shape[axis] *= 2
    return np.clip(np.rint(pairs.reshape(shape)), -FULL, FULL - 1).astype("<i2")


def _seconds(fields: Mapping[str, str], frames: int) -> list[float] | None:
    """When each frame was taken, from the first."""
    stamps = [fields.get(f"Seq_Frame{i:04d}_Timestamp") for i in range(frames)]
    return None if None in stamps else [float(s) - float(stamps[0]) for s in stamps]
