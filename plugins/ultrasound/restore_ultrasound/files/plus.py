"""Sequences of the Plus toolkit: MetaImage with frames along the last axis.

UltrasoundImageType says what is stored, UltrasoundImageOrientation along which axes: of two (or
three) letters the first is where x points, the second where y does; M marked side, U unmarked, F
far from the probe, N near. Lasso et al., IEEE TBME 2014; the toolkit's manual, "Ultrasound image
orientation".
"""

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from shutil import copyfileobj
from tempfile import TemporaryFile
from typing import BinaryIO

import numpy as np
from restore_dicom.files.mha import element_type, needed, packed

from restore.atomic import atomic_file
from restore.files.answers.on_disk import each, filled
from restore.files.naming import naming
from restore.files.task import Record

from .colours import Raster
from .frames import BMODE, IQ, bmode, refuse_source, rf_of, signal_of, stored_frames
from .metaimage import frames, header

TYPES = ("BRIGHTNESS", "RF_REAL", "RF_IQ_LINE", "RF_I_LINE_Q_LINE")
PAIRED = {"RF_IQ_LINE": 0, "RF_I_LINE_Q_LINE": 1}  # the axis along which I and Q alternate
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
        fields, place = header(path)
        size = [int(n) for n in needed(fields, "DimSize").split()]
        if len(size) != int(needed(fields, "NDims")) or len(size) not in (2, 3) or min(size) < 1:
            raise ValueError(f"its DimSize is {fields['DimSize']}: frames have two axes")
        if int(fields.get("ElementNumberOfChannels", 1)) != 1:
            raise ValueError(f"it has {fields['ElementNumberOfChannels']} channels, not one")
        kind, letters, shape = _type(fields), _letters(fields), tuple([*size, 1][:3][::-1])
        stored = (_turned(frame, letters) for frame in frames(path, fields, place, shape))
        meta = {"format": "mha", "fields": fields, "seconds": _seconds(fields, shape[0])}
        meta["polar"] = letters[0] in "FN"  # lines of the probe, not yet scan-converted
        turned = (shape[0], *(shape[:0:-1] if meta["polar"] else shape[1:]))
        if kind == "BRIGHTNESS":
            return bmode(Raster(filled(stored, turned, np.uint8)), path, **meta)
        made = (_samples(frame, kind) / FULL for frame in stored)
        if kind == "RF_REAL":
            return rf_of(made, turned, path, meta)
        return Record(signal_of(made, _paired(turned, kind), np.complex64), IQ, path, meta)


def write_mha(record: Record, path: str | Path) -> None:
    """The source's type, orientation, fields and frame fields; .mhd writes elements beside.

    RF and IQ are rounded to the source's integers. ValueError where the record is not of Plus.
    """
    path = Path(path)
    refuse_source(record, path)
    fields = record.meta.get("fields")
    if not isinstance(fields, Mapping):
        raise ValueError(f"{path}: the record is not from a MetaImage sequence")
    with naming(path), TemporaryFile() as data:
        fields = {k: v for k, v in fields.items() if k not in ("CompressedDataSize", "HeaderSize")}
        letters = _letters(fields)
        _write_elements(
            (_turned_back(frame, letters).tobytes() for frame in _stored(record, path)),
            data,
            pack=packed(fields),
        )
        if packed(fields):
            fields["CompressedDataSize"] = str(data.tell())
        fields |= {"BinaryData": "True"} if "BinaryData" in fields else {}
        local = path.suffix.lower() != ".mhd"
        beside = path.with_suffix(".raw")
        fields.pop("ElementDataFile")
        fields["ElementDataFile"] = "LOCAL" if local else beside.name
        head = "".join(f"{key} = {value}\n" for key, value in fields.items()).encode()
        data.seek(0)
        if not local:
            with atomic_file(beside) as file:
                copyfileobj(data, file)
        with atomic_file(path) as file:
            file.write(head)
            copyfileobj(data, file)


def _write_elements(frames: Iterable[bytes], file: BinaryIO, *, pack: bool) -> None:
    stream = zlib.compressobj(6)
    for frame in frames:
        file.write(stream.compress(frame) if pack else frame)
    if pack:
        file.write(stream.flush())


def _type(fields: Mapping[str, str]) -> str:
    kind, bytewise = fields.get("UltrasoundImageType"), element_type(fields) == np.uint8
    if kind is None and bytewise:
        return "BRIGHTNESS"
    if kind not in TYPES:
        raise ValueError(f"its UltrasoundImageType is {kind}; one of {', '.join(TYPES)} is read")
    if bytewise != (kind == "BRIGHTNESS"):
        raise ValueError(f"its elements are {fields['ElementType']}, which {kind} is not")
    return kind


def _letters(fields: Mapping[str, str]) -> str:
    """Where x and y point: FM, NM, MF, ...; MF where nothing is told."""
    letters = fields.get("UltrasoundImageOrientation", "MF")[:2].upper()
    if sorted(letter in "FN" for letter in letters) != [False, True] or set(letters) - set("FNMU"):
        raise ValueError(f"its UltrasoundImageOrientation is {letters}; MF, FM, NM, ... are known")
    return letters


def _turned(frame: np.ndarray, letters: str) -> np.ndarray:
    """(y, x) -> (depth, lines), a view."""
    frame = frame.T if letters[0] in "FN" else frame
    frame = frame[::-1] if "N" in letters else frame
    return frame[:, ::-1] if "U" in letters else frame


def _turned_back(frame: np.ndarray, letters: str) -> np.ndarray:
    frame = frame[:, ::-1] if "U" in letters else frame
    frame = frame[::-1] if "N" in letters else frame
    return frame.T if letters[0] in "FN" else frame


def _samples(frame: np.ndarray, kind: str) -> np.ndarray:
    """(depth, lines) of numbers -> of samples; complex where there are I and Q."""
    if kind == "RF_REAL":
        return frame.astype(np.float32)
    pairs = np.moveaxis(frame.astype(np.float32), PAIRED[kind], 0)
    return np.moveaxis(pairs[0::2] + 1j * pairs[1::2], 0, PAIRED[kind])


def _paired(shape: Sequence[int], kind: str) -> tuple[int, ...]:
    """The shape of samples, (frames, depth, lines), of that of the numbers that make them."""
    made, axis = list(shape), 1 + PAIRED[kind]
    if made[axis] % 2:
        raise ValueError(f"it holds {made[axis]} numbers where I and Q make pairs")
    made[axis] //= 2
    return tuple(made)


def _stored(record: Record, path: Path) -> Iterator[np.ndarray]:
    """The numbers of a record's frames, (depth, lines), I and Q where they were."""
    if record.kind == BMODE:
        yield from stored_frames(record, path)
        return
    fields = record.meta["fields"]
    kind, dtype = fields["UltrasoundImageType"], element_type(fields)
    for frame in each(record.signal[0]):
        samples = frame.numpy() * FULL
        if kind != "RF_REAL":
            axis, shape = PAIRED[kind], list(samples.shape)
            shape[axis] *= 2
            samples = np.stack([samples.real, samples.imag], axis + 1).reshape(shape)
        if dtype.kind != "f":
            bounds = np.iinfo(dtype)
            samples = np.clip(np.rint(samples), bounds.min, bounds.max)
        yield samples.astype(dtype)


def _seconds(fields: Mapping[str, str], frames: int) -> list[float] | None:
    """When each frame was taken, from the first."""
    stamps = [fields.get(f"Seq_Frame{i:04d}_Timestamp") for i in range(frames)]
    return None if None in stamps else [float(s) - float(stamps[0]) for s in stamps]
