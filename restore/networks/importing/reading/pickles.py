"""What a pickle would do, read from its instructions: none of them is carried out.

A pickle is a program for a small stack machine. Here the stack is followed with names in place of
objects: that tells the classes and functions it would call, and the storages it declares.
"""

import pickletools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

MOST_INSTRUCTIONS = 3_000_000  # a checkpoint of 10 000 arrays with its optimizer has 1 000 000
ITEM = {  # bytes of one value
    "DoubleStorage": 8, "LongStorage": 8, "ComplexFloatStorage": 8, "ComplexDoubleStorage": 16,
    "FloatStorage": 4, "IntStorage": 4, "HalfStorage": 2, "BFloat16Storage": 2, "ShortStorage": 2,
}  # fmt: skip

CHANGING = ("SETITEM", "SETITEMS", "APPEND", "APPENDS", "ADDITEMS", "BUILD")  # the lowest stays


@dataclass(frozen=True)
class Storage:
    """A run of values that the pickle says lies beside it in the file."""

    key: str
    kind: str  # FloatStorage
    count: int

    @property
    def bytes(self) -> int:
        return self.count * ITEM.get(self.kind, 1)


@dataclass
class Scan:
    """What one pickle names."""

    names: set[str] = field(default_factory=set)  # classes and functions: "os.system"
    storages: set[Storage] = field(default_factory=set)
    strange: bool = False  # it declares storages otherwise than torch does
    end: int = 0  # where it stops in its file


@dataclass(frozen=True)
class _Name:
    name: str


class _Mark:
    pass


MARK, UNKNOWN = _Mark(), object()


def scan(file: BinaryIO) -> Scan:
    """Follow one pickle from where the file stands. ValueError where it is none, or endless."""
    found, stack, memo = Scan(), [], {}
    for count, (code, argument) in enumerate(_instructions(file)):
        if count > MOST_INSTRUCTIONS:
            raise ValueError(f"it has more than {MOST_INSTRUCTIONS} instructions")
        _step(code, argument, stack, memo, found)
    found.end = file.tell()
    return found


def foreign(names: set[str]) -> list[str]:
    """The names that are not needed to rebuild arrays, in order."""
    return sorted(name for name in names if not _harmless(name))


def _harmless(name: str) -> bool:
    module, _, last = name.rpartition(".")
    if module == "torch":
        return last.endswith("Storage") or last in TORCH
    return name in OTHERS or (module == "torch._utils" and last.startswith("_rebuild"))


TORCH = {
    "Size", "Tensor", "device", "float16", "float32", "float64", "bfloat16", "half", "float",
    "double", "int8", "int16", "int32", "int64", "uint8", "bool",
}  # fmt: skip
OTHERS = {
    "collections.OrderedDict", "collections.Counter", "_codecs.encode",
    "torch.nn.parameter.Parameter", "torch.serialization._get_layout",
}  # fmt: skip


def _instructions(file: BinaryIO) -> Iterator[tuple[Any, Any]]:
    try:
        for code, argument, _ in pickletools.genops(file):
            yield code, argument
    except ValueError as error:
        raise ValueError(f"its pickle is cut off or damaged: {error}") from None
    except Exception as error:  # texts that are no UTF-8, opcodes that want more than is there
        raise ValueError(f"its pickle is damaged: {type(error).__name__}") from None


def _step(code: Any, argument: Any, stack: list, memo: dict, found: Scan) -> None:
    name = code.name
    if name in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
        memo[len(memo) if name == "MEMOIZE" else argument] = stack[-1] if stack else UNKNOWN
    elif name in ("GET", "BINGET", "LONG_BINGET"):
        stack.append(memo.get(argument, UNKNOWN))
    elif name == "MARK":
        stack.append(MARK)
    elif name == "DUP":
        stack.append(stack[-1] if stack else UNKNOWN)
    else:
        taken = _taken(code, stack)
        stack += _given(code, argument, taken, found)


def _taken(code: Any, stack: list) -> list:
    """What an instruction takes from the stack, lowest first."""
    kinds = [kind.name for kind in code.stack_before]
    if "mark" in kinds:
        items = []
        while stack and stack[-1] is not MARK:
            items.append(stack.pop())
        if stack:
            stack.pop()
        below = kinds.index("mark")
        return [*_popped(stack, below), *reversed(items)]
    return _popped(stack, len(kinds))


def _popped(stack: list, count: int) -> list:
    kept = stack[len(stack) - count :] if count else []
    del stack[len(stack) - count :]
    return kept


def _given(code: Any, argument: Any, taken: list, found: Scan) -> list:
    name = code.name
    if name in ("GLOBAL", "INST"):
        return [_named(found, *str(argument).partition(" ")[::2])]
    if name == "STACK_GLOBAL":
        return [_named(found, *(taken[-2:] if len(taken) >= 2 else (UNKNOWN, UNKNOWN)))]
    if name in ("EXT1", "EXT2", "EXT4"):
        return [_named(found, "copyreg.extension", str(argument))]
    if name in ("TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"):
        return [tuple(taken)]
    if name in ("BINPERSID", "PERSID"):
        _stored(found, taken[-1] if taken else argument)
    if isinstance(argument, (str, int, bytes)) and not code.stack_before:
        return [argument]
    if name in CHANGING and taken:
        return taken[:1]
    return [UNKNOWN] * len(code.stack_after)


def _named(found: Scan, module: Any, name: Any) -> _Name:
    whole = f"{module}.{name}" if isinstance(module, str) and isinstance(name, str) else "?"
    found.names.add(whole[:200])
    return _Name(whole)


def _stored(found: Scan, identity: Any) -> None:
    """torch's ('storage', kind, key, location, count[, view])."""
    fits = isinstance(identity, tuple) and len(identity) >= 5 and identity[0] == "storage"
    _, kind, key, _, count = identity[:5] if fits else (None,) * 5
    if isinstance(kind, _Name) and isinstance(key, str) and type(count) is int and count >= 0:
        found.storages.add(Storage(key, kind.name.rpartition(".")[2], count))
    else:
        found.strange = True
