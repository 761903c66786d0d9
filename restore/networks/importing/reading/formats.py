"""What kind of file a checkpoint is, by its first bytes; others are named, not tried."""

import os
import zipfile
from pathlib import Path

from ....errors import WeightsError
from ....untrusted.plain_files import opened

LEGACY = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # torch's magic number, after the protocol
OTHERS = (  # the first bytes, what it is, what to do
    (b"version https://git-lfs", "a pointer of Git LFS", "fetch the file itself: git lfs pull"),
    (b"<!DOCTYPE", "a web page", "download the file itself"),
    (b"<!doctype", "a web page", "download the file itself"),
    (b"<html", "a web page", "download the file itself"),
    (b"\x1f\x8b", "compressed by gzip", "unpack it first"),
    (b"BZh", "compressed by bzip2", "unpack it first"),
    (b"\xfd7zXZ", "compressed by xz", "unpack it first"),
    (b"7z\xbc\xaf", "a 7z archive", "unpack it first"),
    (b"Rar!", "a RAR archive", "unpack it first"),
    (b"GGUF", "a GGUF file", "its quantised weights are no prior's"),
    (b"\x93NUMPY", "a single array", "a checkpoint holds many, by name"),
    (b"\x89PNG", "a picture", "give a checkpoint"),
    (b"\xff\xd8\xff", "a picture", "give a checkpoint"),
)


def kind_of(path: Path) -> str:
    """'safetensors', 'torch', 'legacy torch', 'pickle', 'npz', 'hdf5' or 'matlab'.

    WeightsError for any other file, with what it is where that can be told.
    """
    with opened(path) as file:
        total = os.fstat(file.fileno()).st_size
        start = file.read(1024)
        tar = file.seek(257) and file.read(5) == b"ustar"
    if not total:
        raise WeightsError(f"{path} is empty")
    for first, what, do in OTHERS:
        if start.startswith(first):
            raise WeightsError(f"{path} is {what}, not a checkpoint; {do}")
    if start.startswith(b"PK"):
        return _archive(path)
    if tar:
        raise WeightsError(f"{path} is a tar archive, not a checkpoint; unpack it first")
    if start.startswith((b"\x89HDF\r\n", b"MATLAB 7.3")):
        return "hdf5"
    if start.startswith(b"MATLAB 5.0") and start[126:128] in (b"IM", b"MI"):
        return "matlab"
    if start[8:9] == b"{" and int.from_bytes(start[:8], "little") <= total:
        return "safetensors"
    if start[:1] == b"\x80" and start[1:2] <= b"\x05":
        return "legacy torch" if start[2:].startswith(LEGACY) else "pickle"
    raise WeightsError(
        f"{path} is no checkpoint: neither safetensors nor written by torch.save, or cut off at"
        " its start"
    )


def _archive(path: Path) -> str:
    """A zip file by what is in it; torch, npz and plain archives are all zip files."""
    try:
        with opened(path) as file, zipfile.ZipFile(file) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError, EOFError):
        raise WeightsError(f"{path} is cut off or damaged: its archive has no table") from None
    if any(name.endswith("constants.pkl") for name in names):
        raise WeightsError(f"{path} is a TorchScript program, which is code; give its state dict")
    if sum(name.endswith("/data.pkl") for name in names) == 1:
        return "torch"
    if names and all(name.endswith(".npy") for name in names):
        return "npz"
    raise WeightsError(
        f"{path} is an archive of {len(names)} files, not a checkpoint; unpack it, and give the"
        " checkpoint or the folder of one model in it"
    )
