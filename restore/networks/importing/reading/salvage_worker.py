"""Run as a program of its own: follow a torch.save pickle with names in place of all classes.

argv: seconds, bytes of memory; the file is stdin; the tree goes to stdout as JSON. Every class or
function that the pickle names becomes an inert name, and only torch's own way to rebuild an array
is understood. It imports the standard library alone, and cannot write a file or start a process.
"""

import io
import json
import pickle
import sys
import zipfile

ITEMS = {
    "DoubleStorage": 8, "FloatStorage": 4, "HalfStorage": 2, "BFloat16Storage": 2,
    "LongStorage": 8, "IntStorage": 4, "ShortStorage": 2, "CharStorage": 1, "ByteStorage": 1,
    "BoolStorage": 1,
}  # fmt: skip
DEEPEST = 60


def limit(seconds: int, memory: int) -> None:
    """Before anything is read. ImportError on systems without such limits."""
    import resource

    limits = {
        resource.RLIMIT_CPU: seconds,
        resource.RLIMIT_AS: memory,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: 8,
    }
    for kind, value in limits.items():
        resource.setrlimit(kind, (value, value))


class Inert:
    """What stands in for every foreign class: it takes anything, keeps nothing, does nothing."""

    name = ""

    def __new__(cls, *arguments, **keywords):
        return object.__new__(Inert)

    def __init__(self, *arguments, **keywords):
        pass

    def __setstate__(self, state):
        pass

    def __call__(self, *arguments, **keywords):
        return Inert()

    def append(self, item):
        pass

    def extend(self, items):
        pass

    def add(self, item):
        pass

    def __setitem__(self, name, value):
        pass

    def __hash__(self):
        return 0


class Mapping(dict):
    """collections.OrderedDict, whose state (torch keeps _metadata there) is dropped."""

    def __setstate__(self, state):
        pass


class Kind:
    """A kind of storage, by name."""

    def __init__(self, name):
        self.name = name

    def __call__(self, *arguments):
        return Inert()


class Array(dict):
    """A rebuilt tensor: where it lies."""


def rebuild_tensor(storage, offset, shape, stride, *rest):
    if not isinstance(storage, Storage):
        return Inert()
    numbers = [offset, *shape, *stride]
    if len(shape) != len(stride) or len(shape) > 8:
        raise ValueError("an array has a shape of no known kind")
    if not all(type(n) is int and 0 <= n < 2**62 for n in numbers):
        raise ValueError("an array has a shape of no known kind")
    return Array(storage.facts, shape=list(shape), stride=list(stride), offset=offset)


def rebuild_parameter(data, *rest):
    return data


class Storage:
    def __init__(self, identity):
        kind = identity[1].name if isinstance(identity[1], Kind) else ""
        if identity[0] != "storage" or kind not in ITEMS or type(identity[4]) is not int:
            raise ValueError("a storage of no known kind")
        if len(identity) > 5 and identity[5] is not None:
            raise ValueError("a view of a storage, of a very old file")
        self.facts = {"key": str(identity[2]), "kind": kind, "count": identity[4]}


KNOWN = {
    ("collections", "OrderedDict"): Mapping,
    ("torch._utils", "_rebuild_tensor_v2"): rebuild_tensor,
    ("torch._utils", "_rebuild_parameter"): rebuild_parameter,
}


class Follower(pickle._Unpickler):
    """The unpickler in Python, whose every name is ours."""

    def __init__(self, file):
        super().__init__(file)
        self.items: dict[str, int] = {}  # key of a storage -> bytes of one of its values

    def find_class(self, module, name):
        if (module, name) in KNOWN:
            return KNOWN[module, name]
        if module == "torch" and name.endswith("Storage"):
            return Kind(name)
        return type("Inert", (Inert,), {"name": f"{module}.{name}"})

    def get_extension(self, code):
        self.append(Inert)

    def persistent_load(self, identity):
        storage = Storage(identity)
        self.items[storage.facts["key"]] = ITEMS[storage.facts["kind"]]
        return storage


def told(value, depth=0):
    """Mappings with text as names, lists and arrays, as JSON; None for anything else."""
    if depth > DEEPEST:
        raise ValueError("it is nested too deep")
    if isinstance(value, Array):
        return dict(value)
    if isinstance(value, dict):
        named = {k: told(v, depth + 1) for k, v in value.items() if isinstance(k, str)}
        return {"of": named}
    if isinstance(value, (list, tuple)):
        return [told(item, depth + 1) for item in value]
    return None


def follow(file) -> dict:
    start = file.read(4)
    file.seek(0)
    if start.startswith(b"PK"):
        with zipfile.ZipFile(file) as archive:
            name = next(n for n in archive.namelist() if n.endswith("/data.pkl"))
            content = io.BytesIO(archive.read(name))
        return {"tree": told(Follower(content).load())}
    for _ in range(3):
        Follower(file).load()
    contents = Follower(file)
    tree = told(contents.load())
    keys = [str(key) for key in Follower(file).load()]
    return {"tree": tree, "items": contents.items, "keys": keys, "end": file.tell()}


def main() -> int:
    try:
        limit(int(sys.argv[1]), int(sys.argv[2]))
        answer = json.dumps(follow(sys.stdin.buffer))
    except ImportError:
        print("this system has no limits of memory and time for it", file=sys.stderr)
        return 1
    except MemoryError:
        print("it needs more memory than a salvage has", file=sys.stderr)
        return 1
    except Exception as error:
        print(f"{type(error).__name__}: {' '.join(str(error).split())[:150]}", file=sys.stderr)
        return 1
    sys.stdout.write(answer)
    return 0


if __name__ == "__main__":
    sys.exit(main())
