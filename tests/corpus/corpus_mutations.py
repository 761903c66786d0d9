"""What breaks a file: its bytes, its values, its header, the parts of its container.

A mutation is (path, random numbers) -> None and changes the file in its place.
"""

import gzip
import random
import re
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import numpy as np
from corpus_files import Format, unpacked, written
from pydicom import dcmread

Act = Callable[[Path, random.Random], None]
HEADER = 400  # bytes in which most formats say what follows

# bytes


def _on_bytes(change: Callable[[bytearray, random.Random], bytes]) -> Act:
    def act(path: Path, draw: random.Random) -> None:
        content = bytes(change(bytearray(unpacked(path)), draw))
        path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)

    return act


def _flipped(count: int, within: int | None = None) -> Act:
    def change(content: bytearray, draw: random.Random) -> bytes:
        for _ in range(count):
            content[draw.randrange(min(len(content), within or len(content)))] ^= (
                1 << draw.randrange(8)
            )
        return content

    return _on_bytes(change)


def _lied(value: int, form: str) -> Act:
    """A number somewhere in the header is another."""

    def change(content: bytearray, draw: random.Random) -> bytes:
        size = struct.calcsize(form)
        at = draw.randrange(0, min(len(content), HEADER) - size, size)
        content[at : at + size] = struct.pack(form, value)
        return content

    return _on_bytes(change)


def _filled(value: int) -> Act:
    def change(content: bytearray, draw: random.Random) -> bytes:
        at = draw.randrange(len(content))
        content[at : at + 64] = bytes([value]) * len(content[at : at + 64])
        return content

    return _on_bytes(change)


def _number_changed(value: bytes) -> Act:
    """One of the numbers that stand as text in the header is another."""

    def change(content: bytearray, draw: random.Random) -> bytes:
        head = bytes(content[:2000])
        places = list(re.finditer(rb"(?<![\w.])\d+(\.\d+)?(?![\w.])", head))
        if not places:
            raise LookupError("no number stands there as text")
        chosen = draw.choice(places)
        return head[: chosen.start()] + value + bytes(content[chosen.end() :])

    return _on_bytes(change)


def _cut(share: float) -> Act:
    return _on_bytes(lambda content, draw: content[: int(share * len(content))])


def _instead(content: bytes) -> Act:
    return lambda path, draw: path.write_bytes(content) and None


PICTURE = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010800000000"
    "3a7e9b550000000a49444154789c6368000000820081dd436af40000000049454e44ae426082"
)
BYTES: dict[str, Act] = {
    **{f"cut to {share:.0%}": _cut(share) for share in (0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99)},
    "one byte short": _on_bytes(lambda content, draw: content[:-1]),
    "one byte": _on_bytes(lambda content, draw: content[:1]),
    "empty": _instead(b""),
    "more behind it": _on_bytes(lambda content, draw: content + b"more" * 50),
    "more before it": _on_bytes(lambda content, draw: b"\r\n" + content),
    "twice": _on_bytes(lambda content, draw: content * 2),
    "backwards": _on_bytes(lambda content, draw: content[::-1]),
    "as text of Windows": _on_bytes(lambda content, draw: content.replace(b"\n", b"\r\n")),
    "as seven bits": _on_bytes(lambda content, draw: bytes(b & 127 for b in content)),
    "zeros": _on_bytes(lambda content, draw: bytes(len(content))),
    "noise": _on_bytes(lambda content, draw: draw.randbytes(len(content))),
    "a bit flipped": _flipped(1),
    "8 bits flipped": _flipped(8),
    "64 bits flipped": _flipped(64),
    "a bit of the header flipped": _flipped(1, HEADER),
    "4 bits of the header flipped": _flipped(4, HEADER),
    "16 bits of the header flipped": _flipped(16, HEADER),
    "a hole of zeros": _filled(0),
    "a hole of ones": _filled(255),
    "a lie of 2^32 - 1": _lied(2**32 - 1, "<I"),
    "a lie of 2^31 - 1": _lied(2**31 - 1, "<I"),
    "a lie of 2^31 - 1, big end first": _lied(2**31 - 1, ">I"),
    "a lie of 65535": _lied(65535, "<H"),
    "a lie of 30000, big end first": _lied(30000, ">H"),
    "a lie of nothing": _lied(0, "<I"),
    "a number of zero": _number_changed(b"0"),
    "a negative number": _number_changed(b"-7"),
    "a number of 2^40": _number_changed(b"1099511627776"),
    "a number that is none": _number_changed(b"nan"),
    "a word for a number": _number_changed(b"many"),
    "a web page": _instead(b"<!DOCTYPE html><html><title>404 Not Found</title></html>"),
    "a pointer to it": _instead(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"),
    "another format": _instead(PICTURE),
    "gzipped": _on_bytes(lambda content, draw: gzip.compress(bytes(content))),
    "an archive": _instead(b"PK\5\6" + bytes(18)),
    "a pickle": _instead(b"\x80\x04cos\nsystem\nX\x04\0\0\0true\x85R."),
}

# values

VALUES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "NaN": lambda a: _with(a, np.nan),
    "infinite": lambda a: _with(a, np.inf),
    "nothing but NaN": lambda a: np.full(a.shape, np.nan, _float(a)),
    "zeros": np.zeros_like,
    "constant": lambda a: np.full_like(a, a.flat[0] or 1),
    "of 1e30": lambda a: a.astype(_float(a)) * 1e30,
    "of 1e-30": lambda a: a.astype(_float(a)) * 1e-30,
    "negative": lambda a: -a.astype(_float(a)),
    "double": lambda a: a.astype("c16" if a.dtype.kind == "c" else "f8"),
    "complex": lambda a: a.astype("c8"),
    "whole numbers": lambda a: np.abs(a).astype("i4"),
    "truths": lambda a: np.abs(a) > 0,
    "texts": lambda a: a.astype("U9"),
    "objects": lambda a: a.astype(object),
    "records": lambda a: np.zeros(a.shape, [("a", "f4"), ("b", "i2")]),
    "times": lambda a: np.zeros(a.shape, "M8[s]"),
    "one axis less": lambda a: a[0],
    "one axis more": lambda a: a[None],
    "of 7 axes": lambda a: a.reshape(*[1] * (7 - a.ndim), *a.shape),
    "one value": lambda a: a.flatten()[0].reshape(()),
    "no values": lambda a: a[:0],
    "one value along each axis": lambda a: a[tuple(slice(1) for _ in a.shape)],
    "a long line": lambda a: np.resize(a, (1, 5000)),
    "turned": lambda a: np.ascontiguousarray(a.T),
    "big end first": lambda a: a.astype(a.dtype.newbyteorder(">")),
}


def _float(array: np.ndarray) -> str:
    return "c8" if array.dtype.kind == "c" else "f4"


def _with(array: np.ndarray, value: float) -> np.ndarray:
    changed = array.astype(_float(array))
    changed.flat[len(changed.flat) // 2] = value
    return changed


# what is in a container of HDF5


def _datasets(file: h5py.File) -> list[str]:
    found: list[str] = []
    file.visititems(lambda name, one: found.append(name) if isinstance(one, h5py.Dataset) else None)
    return found


def _in_hdf5(change: Callable[[h5py.File, str], None]) -> Act:
    def act(path: Path, draw: random.Random) -> None:
        with h5py.File(path, "r+") as file:
            change(file, draw.choice(_datasets(file)))

    return act


def _replaced(make: Callable[[np.ndarray], object]) -> Act:
    def change(file: h5py.File, name: str) -> None:
        values = file[name][()]
        del file[name]
        file[name] = make(values)

    return _in_hdf5(change)


def _declared(file: h5py.File, name: str) -> None:
    shape = [4000] * max(3, file[name].ndim)
    del file[name]
    file.create_dataset(name, shape, "f4", chunks=tuple([1] * (len(shape) - 1) + [4000]))


def _instead_of(file: h5py.File, name: str, link: object) -> None:
    del file[name]
    if link is None:
        file.create_group(name)
    else:
        file[name] = link


HDF5: dict[str, Act] = {
    "a part missing": _in_hdf5(lambda file, name: file.__delitem__(name)),
    "a part empty": _replaced(lambda values: h5py.Empty("f4")),
    "a part of no values": _replaced(lambda values: np.zeros((0, 3), "f4")),
    "a part of NaN": _replaced(lambda values: np.full(np.shape(values) or (1,), np.nan)),
    "a part of text": _replaced(lambda values: "what is this?"),
    "a part of one number": _replaced(lambda values: -1.0),
    "a part of terabytes": _in_hdf5(_declared),
    "a folder for a part": _in_hdf5(lambda file, name: _instead_of(file, name, None)),
    "a link to nowhere": _in_hdf5(
        lambda file, name: _instead_of(file, name, h5py.SoftLink("/nowhere"))
    ),
    "a link to itself": _in_hdf5(
        lambda file, name: _instead_of(file, name, h5py.SoftLink(f"/{name}"))
    ),
    "a link to another file": _in_hdf5(
        lambda file, name: _instead_of(file, name, h5py.ExternalLink("/etc/hostname", "/x"))
    ),
}

# what DICOM says of itself


def _attribute(name: str, value: object) -> Act:
    def act(path: Path, draw: random.Random) -> None:
        dataset = dcmread(path)
        if value is None:
            delattr(dataset, name)
        else:
            setattr(dataset, name, value)
        dataset.save_as(path)

    return act


DICOM: dict[str, Act] = {
    f"{name} = {value!r:.20}": _attribute(name, value)
    for name, values in {
        "Rows": (None, 0, 1, 60000),
        "Columns": (None, 13, 65535),
        "BitsAllocated": (None, 1, 12, 32),
        "BitsStored": (None, 0, 99),
        "HighBit": (None, 0, 63),
        "SamplesPerPixel": (3, 0),
        "PhotometricInterpretation": ("RGB", "PALETTE COLOR", "what"),
        "PixelRepresentation": (None, 7),
        "NumberOfFrames": (0, 7, 2**30),
        "RescaleSlope": ("0", "1e38", "-1"),
        "RescaleIntercept": ("1e38", "-1e9"),
        "PixelSpacing": (["0", "0"], ["1e-20", "1"], ["-1", "1"], ["1"]),
        "ImageOrientationPatient": ([0, 0, 0, 0, 0, 0], [1, 0, 0, 1, 0, 0], [1]),
        "ImagePositionPatient": (None, [1e30, 0, 0], [0]),
        "PixelData": (None, b"", b"\0\0"),
        "Modality": (None, "PT", "SR"),
        "SOPClassUID": (None, "1.2.3"),
        "ImageType": (["ORIGINAL", "PRIMARY", "P"], None),
        "PixelPaddingValue": (300,),
        "SpecificCharacterSet": ("no such set",),
    }.items()
    for value in values
}


def mutations(form: Format) -> Iterator[tuple[str, Act]]:
    """Every way of breaking a file of the format: its name, and the act."""
    yield from BYTES.items()
    for name, change in VALUES.items():
        yield f"values: {name}", _rewritten(form, change)
    if form.name.endswith(".h5"):
        yield from HDF5.items()
    if form.name.endswith(".dcm"):
        yield from DICOM.items()


def _rewritten(form: Format, change: Callable[[np.ndarray], np.ndarray]) -> Act:
    def act(path: Path, draw: random.Random) -> None:
        written(form, path.parent, change(form.array))

    return act
