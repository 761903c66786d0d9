"""Weights in a safetensors file: what it declares is held to the network before any is read."""

import math
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules import module as registration

from ..errors import WeightsError
from ..untrusted.plain_files import opened, sha256
from ..untrusted.strict_json import parsed

LONGEST_HEADER = 32 << 20
DTYPES = {
    "F16": torch.float16, "BF16": torch.bfloat16, "F32": torch.float32, "F64": torch.float64,
    "I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8,
    "U8": torch.uint8, "BOOL": torch.bool,
}  # fmt: skip


class Declared(NamedTuple):
    """One array as a file's header tells of it."""

    dtype: torch.dtype
    shape: tuple[int, ...]


def declared(path: Path) -> dict[str, Declared]:
    """name -> what the header says, checked against the file's size; no weight is read.

    WeightsError where it is no safetensors file, cut off, or tells of bytes that it has not.
    """
    with opened(path) as file:
        total = os.fstat(file.fileno()).st_size
        start = file.read(8)
        length = int.from_bytes(start, "little")
        if len(start) < 8 or not 2 <= length <= min(total - 8, LONGEST_HEADER):
            raise WeightsError(f"{path} is no safetensors file, or is cut off")
        text = file.read(length)
    try:
        header = parsed(text)
        header.pop("__metadata__", None)
        return _arrays(header, total - 8 - length)
    except ValueError as error:
        raise WeightsError(f"{path} is no whole safetensors file: {error}") from None


def _arrays(header: Mapping[str, dict], room: int) -> dict[str, Declared]:
    found, ends = {}, []
    for name, facts in header.items():
        try:
            dtype = DTYPES[facts["dtype"]]
            shape = tuple(facts["shape"])
            start, end = facts["data_offsets"]
            numbers = all(type(n) is int and n >= 0 for n in (*shape, start, end))
        except (TypeError, KeyError, ValueError):
            numbers = False
        if not numbers or len(shape) > 8:
            raise ValueError(f"the array '{name[:80]}' is described in no known way")
        if end - start != math.prod(shape) * dtype.itemsize:
            raise ValueError(f"the array '{name[:80]}' has not the bytes of its shape")
        found[name] = Declared(dtype, shape)
        ends.append((start, end))
    edge = 0
    for start, end in sorted(ends):
        if start != edge:
            raise ValueError("its arrays overlap, or leave holes")
        edge = end
    if edge != room:
        raise ValueError(f"it declares {edge} bytes of arrays and holds {room}")
    return found


def read_weights(path: Path) -> dict[str, Tensor]:
    """The arrays of a file that `declared` has found whole, mapped, not read."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, RuntimeError) as error:
        raise WeightsError(f"{path} cannot be read: {error}") from None


def fitted(path: Path, build: Callable[[], nn.Module], arrays: Mapping[str, Declared]) -> None:
    """WeightsError unless the network that `build` makes has these arrays, and no others.

    It is first built without memory, and the building is stopped where it grows beyond the file.
    """
    try:
        with torch.device("meta"), at_most(len(arrays)):
            network = build()
    except WeightsError as error:
        raise WeightsError(f"{path} does not fit its description: {error}") from None
    except Exception as error:
        words = " ".join(str(error).split())[:200] or type(error).__name__
        raise WeightsError(f"{path.parent} describes no network: {words}") from None
    wanted = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    wrong = differences(wanted, {name: array.shape for name, array in arrays.items()})
    if wrong:
        raise WeightsError(f"{path} does not fit its description: {wrong}")
    for name, value in network.state_dict().items():
        if value.is_floating_point() != arrays[name].dtype.is_floating_point:
            raise WeightsError(f"{path} has weights '{name}' of another type: {arrays[name].dtype}")


def differences(wanted: Mapping[str, tuple], given: Mapping[str, tuple], most: int = 3) -> str:
    """In words, which names or shapes are other than wanted; empty where none is."""
    missing = [name for name in wanted if name not in given]
    extra = [name for name in given if name not in wanted]
    unlike = [
        f"'{name}' is {_sizes(given[name])}, not {_sizes(wanted[name])}"
        for name in wanted
        if name in given and wanted[name] != given[name]
    ]
    parts = [f"{_listed(missing, most)} missing" if missing else ""]
    parts += [f"{_listed(extra, most)} not of this network" if extra else ""]
    parts += ["; ".join(unlike[:most])]
    return "; ".join(part for part in parts if part)


def refuse_not_finite(path: Path, weights: Mapping[str, Tensor]) -> None:
    """WeightsError where a weight is NaN or infinite."""
    for name, value in weights.items():
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise WeightsError(f"{path} holds weights that are not finite, in '{name}'")


def load_network(path: Path, build: Callable[[], nn.Module], digest: str) -> nn.Module:
    """What `build` makes, with the weights of a file in it, as float32, frozen.

    WeightsError where they are missing, damaged, not finite, or another network's.
    """
    if not path.exists() and not path.is_symlink():
        raise WeightsError(f"the weights {path} are missing")
    arrays = declared(path)
    if sha256(path) != digest:
        raise WeightsError(f"the checksum of {path} is wrong: the file is damaged or another's")
    fitted(path, build, arrays)
    weights = read_weights(path)
    refuse_not_finite(path, weights)
    network = build()
    network.load_state_dict(weights)
    network.requires_grad_(False).eval()
    flat = any(value.ndim == 4 for value in weights.values())
    return network.float().to(memory_format=torch.channels_last if flat else torch.preserve_format)


@contextmanager
def at_most(arrays: int) -> Iterator[None]:
    """While a network is built, raise as soon as it has more arrays than that."""
    count = {"arrays": 0, "modules": 0}

    def counted(kind: str, most: int) -> Callable[..., None]:
        def hook(*_: object) -> None:
            count[kind] += 1
            if count[kind] > most:
                raise WeightsError(f"it has {arrays} arrays, the network described has more")

        return hook

    hooks = [
        registration.register_module_parameter_registration_hook(counted("arrays", 2 * arrays)),
        registration.register_module_module_registration_hook(
            counted("modules", 40 * arrays + 1000)
        ),
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _listed(names: list[str], most: int) -> str:
    shown = ", ".join(f"'{name[:80]}'" for name in names[:most])
    left = len(names) - most
    verb = "are" if len(names) > 1 else "is"
    return f"{shown} and {left} more {verb}" if left > 0 else f"{shown} {verb}"


def _sizes(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "one number"
