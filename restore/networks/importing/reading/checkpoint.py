"""A checkpoint is read without running anything of it: `weights_only`, or by a salvage.

What a file declares is looked at before memory is taken: the storages of its pickle, the members of
its archive. torch's and numpy's advice to load it in an unsafe way is never passed on.
"""

import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ....errors import WeightsError
from ....untrusted.plain_files import opened, sha256, size
from ...weights import declared, read_weights
from .candidates import StateDict, candidates
from .formats import kind_of
from .pickles import Scan, foreign, scan
from .salvage import salvaged

LONGEST_PICKLE = 256 << 20
MOST_SHARED = 4  # arrays may share storage, but not so that a small file becomes a large one


@dataclass(frozen=True)
class Checkpoint:
    """What a file holds: its sets of weights, the averaged ones first."""

    path: Path
    sets: tuple[StateDict, ...]
    sha256: str
    kind: str
    salvaged: bool = False


def read_checkpoint(path: Path, *, salvage: bool = False) -> Checkpoint:
    """All sets of weights in a file; at least one.

    salvage: rebuild the arrays of a file that names foreign classes, which stay names. WeightsError
    in one line for a file that is no checkpoint, is cut off, or would need code to run.
    """
    kind = kind_of(path)
    rescued = False
    if kind == "safetensors":
        declared(path)
        tree: Any = read_weights(path)
    elif kind == "npz":
        tree = _npz(path)
    elif kind == "hdf5":
        from ...published.matconvnet import read_matconvnet

        tree = read_matconvnet(path)
    elif kind == "matlab":
        tree = _matlab(path)
    else:
        tree, rescued = _torch(path, kind, salvage)
    sets = tuple(candidates(tree))
    if not sets:
        raise WeightsError(f"{path} holds no named weights{_instead(tree)}")
    for one in sets:
        _refuse_swollen(path, one.weights)
    return Checkpoint(path, sets, sha256(path), kind, rescued)


def _torch(path: Path, kind: str, salvage: bool) -> tuple[Any, bool]:
    if kind == "pickle":
        raise WeightsError(_objects(path))
    found = _scanned(path, kind)
    strangers = foreign(found.names)
    try:
        if found.strange:
            raise ValueError("it declares its storages otherwise than torch does")
        mapped = kind == "torch"
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped), False
    except Exception as error:  # whatever torch raises for a file that it does not take
        if not strangers:
            raise WeightsError(f"{path} is cut off or damaged: {_words(error)}") from None
    if salvage:
        return salvaged(path, kind), True
    listed = ", ".join(strangers[:6]) + (f" and {len(strangers) - 6} more" * (len(strangers) > 6))
    raise WeightsError(
        f"{path} names {listed}, which would run as code; nothing of it was run. Its arrays can be"
        " rebuilt without them: add --salvage"
    )


def _scanned(path: Path, kind: str) -> Scan:
    """The pickle's names, after its declared storages were held to what lies in the file."""
    try:
        if kind == "torch":
            return _scanned_archive(path)
        return _scanned_legacy(path)
    except (ValueError, zipfile.BadZipFile, EOFError, NotImplementedError, OSError) as error:
        raise WeightsError(f"{path} is cut off or damaged: {_words(error)}") from None


def _scanned_archive(path: Path) -> Scan:
    with opened(path) as file, zipfile.ZipFile(file) as archive:
        members = {one.filename: one for one in archive.infolist()}
        name = next(one for one in members if one.endswith("/data.pkl"))
        total = os.fstat(file.fileno()).st_size
        if len(members) != len(archive.infolist()) or any(
            one.compress_type or one.file_size > total for one in members.values()
        ):
            raise ValueError("its members are packed otherwise than torch does")
        if members[name].file_size > LONGEST_PICKLE:
            raise ValueError(f"its pickle has {size(members[name].file_size)}")
        with archive.open(name) as inner:
            found = scan(inner)
    root = name.removesuffix("data.pkl")
    for storage in found.storages:
        member = members.get(f"{root}data/{storage.key}")
        if member is None or storage.bytes > member.file_size:
            raise ValueError(f"it declares {size(storage.bytes)} that are not in it")
    return found


def _scanned_legacy(path: Path) -> Scan:
    """Four pickles (magic number, protocol, system, contents); then the list of storages, raw."""
    with opened(path) as file:
        total = os.fstat(file.fileno()).st_size
        for _ in range(3):
            scan(file)
        found = scan(file)
    if sum(storage.bytes for storage in found.storages) > total:
        raise ValueError(f"it declares more bytes than its {size(total)}")
    return found


def _matlab(path: Path) -> dict[str, Tensor]:
    """The network in a MATLAB file that is no HDF5."""
    from ....untrusted.matlab5 import read_matlab5
    from ...published.matconvnet import of_structs

    try:
        variables = read_matlab5(path)
    except ValueError as error:
        raise WeightsError(f"{path} cannot be read: {error}") from None
    return of_structs(variables, path)


def _npz(path: Path) -> dict[str, Tensor]:
    """Arrays by name; compressed ones of at most a hundred times the file's size."""
    import numpy as np

    try:
        with opened(path) as file, zipfile.ZipFile(file) as archive:
            whole = sum(one.file_size for one in archive.infolist())
            if whole > 100 * os.fstat(file.fileno()).st_size:
                raise ValueError(f"it would unpack to {size(whole)}")
        with np.load(path, allow_pickle=False) as arrays:
            return {name: torch.from_numpy(arrays[name]) for name in arrays}
    except (ValueError, TypeError, KeyError, zipfile.BadZipFile, OSError, EOFError) as error:
        said = "it holds Python objects" if "pickle" in str(error) else _words(error)
        raise WeightsError(f"{path} cannot be read: {said}") from None


def _refuse_swollen(path: Path, weights: Mapping[str, Tensor]) -> None:
    """Arrays that tell of more values than lie in the file: a view may repeat its storage."""
    for name, value in weights.items():
        if value.layout != torch.strided or value.is_quantized or value.device.type != "cpu":
            raise WeightsError(f"{path}: the array '{name}' is sparse, quantised or without values")
    total = sum(prod(value.shape) * value.itemsize for value in weights.values())
    room = MOST_SHARED * max(path.stat().st_size, 1 << 20)
    if total > room * (100 if path.suffix == ".npz" else 1):
        raise WeightsError(f"{path} tells of {size(total)} of weights, which are not in it")


def _objects(path: Path) -> str:
    """Why a raw pickle is refused; the scan's names tell whose it is."""
    try:
        with opened(path, 8 << 30) as file:
            names = foreign(scan(file).names)
    except ValueError as error:
        return f"{path} is a damaged pickle: {error}"
    if any(name.startswith("torch_utils.persistence") or "dnnlib" in name for name in names):
        return (
            f"{path} is a pickle of EDM's or StyleGAN's, which holds the network's source code and"
            " runs it when it is loaded; convert it with its authors' own code where you trust it"
            " (docs/priors.md has the lines), and import the safetensors file"
        )
    listed = f" ({', '.join(names[:4])})" if names else ""
    return (
        f"{path} is a pickle of whole Python objects{listed}, not written by torch.save; save the"
        " state dict as safetensors where you trust it, and import that"
    )


def _instead(tree: Any) -> str:
    if isinstance(tree, Mapping):
        return f": it has {', '.join(repr(str(key)[:40]) for key in list(tree)[:6]) or 'nothing'}"
    return f": it is a {type(tree).__name__}"


def _words(error: BaseException) -> str:
    """The first sentence of a library's complaint, without its advice."""
    words = " ".join(str(error).split()).split(". ")[0][:160]
    unsafe = any(mark in words for mark in ("weights_only", "allow_pickle", "WeightsUnpickler"))
    return type(error).__name__ if unsafe or not words else words
