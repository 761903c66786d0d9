"""MetaImage, .mha and .mhd with .raw or .zraw: "key = value" lines, then the elements, x fastest.

Fields as ITK's MetaIO documents them. Positions are LPS+ mm; row i of TransformMatrix is the
direction of axis i.
"""

import math
import zlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import numpy as np

from restore.atomic import atomic_file
from restore.files.naming import naming
from restore.files.task import Record
from restore.untrusted.bounds import refuse_bomb

from ..geometry import LPS, Geometry
from .bounded import inflated
from .volume import no_geometry, volume, voxels

TYPES = {
    "MET_CHAR": "i1",
    "MET_UCHAR": "u1",
    "MET_SHORT": "i2",
    "MET_USHORT": "u2",
    "MET_INT": "i4",
    "MET_UINT": "u4",
    "MET_LONG": "i4",
    "MET_ULONG": "u4",
    "MET_LONG_LONG": "i8",
    "MET_ULONG_LONG": "u8",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}
LONGS = {"MET_LONG": "i8", "MET_ULONG": "u8"}  # of machines where a long is 8 bytes
MATRIX = ("TransformMatrix", "Rotation", "Orientation")
OFFSET = ("Offset", "Position", "Origin")
MSB = ("BinaryDataByteOrderMSB", "ElementByteOrderMSB")
LINE = 1 << 16  # bytes: a header line is shorter
HEAD = 1 << 20  # bytes: a whole header is
LEFT = ("CompressedDataSize", "ElementDataFile", "HeaderSize", "ElementMin", "ElementMax")


def read_mha(path: str | Path) -> Record:
    """(1, z, y, x), z = 1 for a picture; any ElementType, either byte order, compressed or not.

    ValueError in one line that names the file for what is broken or cut off, has several channels
    or volumes, or has its elements in a list of files.
    """
    path = Path(path)
    with naming(path):
        fields, rest = parsed(path.read_bytes())
        size = sizes_of(fields)
        if any(n != 1 for n in size[3:]):
            raise ValueError(
                f"it is {'x'.join(map(str, size))}, not one volume: give them one by one"
            )
        values = elements(data_of(path, fields, rest, math.prod(size)), fields, size)
        shape = [*size, 1][:3][::-1]
        return volume(
            values.reshape(shape),
            path,
            format="mha",
            geometry=geometry_of(fields, len(size)),
            mha=fields,
        )


def write_mha(record: Record, path: str | Path) -> None:
    """float32, with the fields it was read with; .mhd writes its elements to .raw or .zraw beside.

    ValueError for a volume without geometry that is not from MetaImage.
    """
    path = Path(path)
    values = voxels(record, path)
    geometry, fields = record.meta.get("geometry"), record.meta.get("mha")
    if geometry is None:
        raise ValueError(f"{path}: {no_geometry(record)}, and MetaImage needs its place")
    with naming(path):
        fields = _kept(fields, values, geometry) if fields else _new(values, geometry)
        data = values.astype(">f4" if _msb(fields) else "<f4").tobytes()
        if packed(fields):
            data = zlib.compress(data, 1)
            fields["CompressedDataSize"] = str(len(data))
        local = path.suffix.lower() != ".mhd"
        beside = path.with_suffix(".zraw" if packed(fields) else ".raw")
        fields["ElementDataFile"] = "LOCAL" if local else beside.name
        head = "".join(f"{key} = {value}\n" for key, value in fields.items()).encode()
        if not local:
            with atomic_file(beside) as file:
                file.write(data)
        with atomic_file(path) as file:
            file.write(head + data if local else head)


def parsed(content: bytes) -> tuple[dict[str, str], bytes]:
    """The fields up to ElementDataFile, in order, and what comes after them."""
    fields: dict[str, str] = {}
    at = 0
    while "ElementDataFile" not in fields:
        end = content.find(b"\n", at, at + LINE)
        line = content[at : end if end >= 0 else len(content)]
        key, equals, value = line.partition(b"=")
        if at >= len(content) or (line.strip() and not equals) or len(line) >= LINE:
            raise ValueError("it is no MetaImage: no line says ElementDataFile = ...")
        if equals:
            fields[key.decode("latin-1").strip()] = value.decode("latin-1").strip()
        at = end + 1 if end >= 0 else len(content)
    return fields, content[at:]


def needed(fields: Mapping[str, str], name: str) -> str:
    """A field's value; ValueError where the header misses it."""
    if name not in fields:
        raise ValueError(f"its header misses {name}")
    return fields[name]


def sizes_of(fields: Mapping[str, str]) -> list[int]:
    """DimSize, x first; ValueError where it does not fit NDims, and for several channels."""
    size = [int(n) for n in needed(fields, "DimSize").split()]
    if len(size) != int(needed(fields, "NDims")) or len(size) < 2 or min(size) < 1:
        raise ValueError(f"its DimSize is {fields['DimSize']}, NDims {fields['NDims']}")
    if int(fields.get("ElementNumberOfChannels", 1)) != 1:
        raise ValueError(f"it has {fields['ElementNumberOfChannels']} channels, not one")
    return size


def header_of_floats(fields: Mapping[str, str], where: str) -> bytes:
    """The header of a file of floats, unpacked, that is in all else what it was; where: LOCAL."""
    kept = {key: value for key, value in fields.items() if key not in LEFT}
    own = {"BinaryData": "True", "CompressedData": "False", "ElementType": "MET_FLOAT"}
    order = {name: "False" for name in MSB if name in kept}
    kept |= {**own, **order, "ElementDataFile": where}
    return "".join(f"{key} = {value}\n" for key, value in kept.items()).encode()


def data_of(path: Path, fields: Mapping[str, str], rest: bytes, count: int) -> bytes:
    """The bytes of so many elements, unpacked."""
    holder = holder_of(path, fields)
    data = rest if holder == path else holder.read_bytes()
    if packed(fields):
        refuse_bomb(count, len(data))
        return inflated(data, 8 * count + max(int(fields.get("HeaderSize", 0)), 0))
    return data


def holder_of(path: Path, fields: Mapping[str, str]) -> Path:
    """The file that the elements are in: `path` itself, or one beside it."""
    name = fields["ElementDataFile"]
    if name.upper() == "LOCAL":
        return path
    if name.upper().startswith("LIST") or "%" in name:
        raise ValueError("its elements are in a list of files: write it as one .mha first")
    named = PurePosixPath(name.replace("\\", "/"))
    if named.is_absolute() or ".." in named.parts or ":" in name:
        raise ValueError(f"its elements are in {name}, outside of its own folder")
    beside = path.parent / named
    if not beside.is_file():
        raise ValueError(f"its elements are in {name}, which is not there")
    return beside


def packed(fields: Mapping[str, str]) -> bool:
    """Whether zlib packed the elements."""
    return fields.get("CompressedData", "False").lower() == "true"


def elements(data: bytes, fields: Mapping[str, str], size: list[int]) -> np.ndarray:
    """The numbers, x fastest, (prod(size),); ValueError where the data are cut off."""
    dtype, count = element_type(fields), math.prod(size)
    if fields.get("BinaryData", "True").lower() == "false":
        values = np.array(data.split(), np.float64)
        enough(len(values), count, "numbers")
        return values[:count]
    header = int(fields.get("HeaderSize", 0))
    if fields["ElementType"] in LONGS and len(data) - max(header, 0) >= 8 * count:
        dtype = np.dtype(LONGS[fields["ElementType"]]).newbyteorder(dtype.byteorder)
    if header == -1:  # the elements are the file's last bytes
        header = max(len(data) - count * dtype.itemsize, 0)
    enough(len(data) - header, count * dtype.itemsize, "bytes")
    return np.frombuffer(data, dtype, count, header)


def element_type(fields: Mapping[str, str]) -> np.dtype:
    """The numpy type of an element, in its byte order; ValueError for one that is not known."""
    kind = needed(fields, "ElementType")
    if kind not in TYPES:
        raise ValueError(f"its ElementType is {kind}; one of {', '.join(TYPES)} is read here")
    return np.dtype(TYPES[kind]).newbyteorder(">" if _msb(fields) else "<")


def enough(found: int, wanted: int, what: str) -> None:
    """ValueError where less is there than was told."""
    if found < wanted:
        raise ValueError(f"it is cut off: {found} of {wanted} {what}")


def _msb(fields: Mapping[str, str]) -> bool:
    return any(fields.get(name, "False").lower() == "true" for name in MSB)


def geometry_of(fields: Mapping[str, str], dims: int) -> Geometry:
    """Fields of 2 to 4 axes; those beyond the third have length 1 and no place."""
    axes, steps, offset = np.eye(max(dims, 3)), np.ones(max(dims, 3)), np.zeros(max(dims, 3))
    matrix = _numbers(fields, MATRIX, dims * dims)
    if matrix is not None:
        axes[:dims, :dims] = matrix.reshape(dims, dims)
    for target, names in ((offset, OFFSET), (steps, ("ElementSpacing", "ElementSize"))):
        found = _numbers(fields, names, dims)
        if found is not None:
            target[:dims] = found
    if not (steps > 0).all():
        raise ValueError(f"its ElementSpacing is {' '.join(f'{n:g}' for n in steps[:dims])}")
    affine = np.eye(4)
    affine[:3, :3] = (axes[:3, :3] * steps[:3, None]).T
    affine[:3, 3] = offset[:3]
    return Geometry(LPS @ affine)


def _numbers(fields: Mapping[str, str], names: tuple[str, ...], count: int) -> np.ndarray | None:
    name = next((n for n in names if n in fields), None)
    if name is None:
        return None
    numbers = np.array([float(word) for word in fields[name].split()])
    if len(numbers) != count:
        raise ValueError(f"its {name} has {len(numbers)} numbers, not {count}")
    return numbers


def _new(values: np.ndarray, geometry: Geometry) -> dict[str, str]:
    return {
        "ObjectType": "Image",
        "NDims": "3",
        "BinaryData": "True",
        "BinaryDataByteOrderMSB": "False",
        "CompressedData": "True",
        **_placed(geometry),
        "CenterOfRotation": "0 0 0",
        "DimSize": " ".join(map(str, values.shape[::-1])),
        "ElementType": "MET_FLOAT",
    }


def _kept(fields: Mapping[str, str], values: np.ndarray, geometry: Geometry) -> dict[str, str]:
    """The fields of the source, for floats; its place is written anew only where it has changed."""
    kept = {key: value for key, value in fields.items() if key not in LEFT}
    size = [int(n) for n in fields["DimSize"].split()]
    shape = tuple([*size, 1][:3][::-1])
    if not geometry.close_to(geometry_of(fields, len(size))) or values.shape != shape:
        dropped = (*MATRIX, *OFFSET, "ElementSpacing", "ElementSize", "AnatomicalOrientation")
        kept = {key: value for key, value in kept.items() if key not in dropped}
        kept |= {**_placed(geometry), "NDims": "3", "CenterOfRotation": "0 0 0"}
        kept["DimSize"] = " ".join(map(str, values.shape[::-1]))
    return {**kept, "BinaryData": "True", "ElementType": "MET_FLOAT"}


def _placed(geometry: Geometry) -> dict[str, str]:
    z, y, x = geometry.spacing
    lps, steps = geometry.lps, np.array([x, y, z])
    rows = (lps[:3, :3] / steps).T
    return {
        "TransformMatrix": _words(rows.reshape(-1)),
        "Offset": _words(lps[:3, 3]),
        "ElementSpacing": _words(steps),
    }


def _words(numbers: np.ndarray) -> str:
    return " ".join(repr(float(n) + 0.0) for n in numbers)  # + 0.0: no -0.0
