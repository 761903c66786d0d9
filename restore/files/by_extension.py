"""Which reader takes a file, and which writer makes one: by the extension, among all plugins."""

from collections.abc import Sequence
from pathlib import Path

import torch

from ..plugins.discovery import catalog
from ..plugins.registry import Entry
from .answers.on_disk import parts
from .naming import located
from .task import Record

# what is met often and read by no library that may be used here: what to make of it
CONVERTED = {
    **dict.fromkeys((".heic", ".heif", ".avif", ".jxl", ".jp2", ".psd"), "PNG or TIFF"),
    **dict.fromkeys((".cr2", ".cr3", ".nef", ".arw", ".dng", ".raf"), "TIFF, developed,"),
    **dict.fromkeys((".m4a", ".wma", ".aac"), "WAV or FLAC"),
}


def read(path: Path, recipe: Entry | None = None) -> Record:
    """A file's contents, by the reader of its extension, of the recipe's own plugin if it has one.

    A folder is read whole where the recipe names a reader of folders. FileNotFoundError where there
    is no file; ValueError, which names it, where no reader takes it, where it is broken, or where
    its values are not finite.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist")
    if not path.is_dir() and not path.is_file():
        raise ValueError(f"{path} is no file, but a pipe, a device or a socket")
    reader = _of_folder(path, recipe) if path.is_dir() else find("readers", path, recipe)
    if reader is None:
        raise IsADirectoryError(f"{path} is a folder, not a file")
    load = catalog().load("readers", reader.name)
    with located(path):
        record = load(path)
    if not isinstance(record, Record):
        raise TypeError(f"the reader '{reader.name}' gave no restore.Record of {path}")
    if not all(bool(torch.isfinite(part).all()) for part in parts(record.signal)):
        raise ValueError(f"{path} holds values that are not finite (NaN or infinity)")
    return record


def has_reader(path: Path) -> bool:
    """Whether some reader takes a file of this name."""
    return any(_takes(entry, path) for entry in catalog().registry("readers"))


def reads_whole_folder(folder: Path, recipe: str) -> bool:
    """Whether a folder is one input of the recipe, such as a series of slices."""
    return _of_folder(folder, catalog().entry("recipes", recipe)) is not None


def find(kind: str, path: Path, recipe: Entry | None) -> Entry:
    """The reader or writer of a name: the longest extension wins, then the recipe's own plugin.

    A name without extension, as a folder's, is for the writer that makes folders, and for the
    reader whose mark the file bears.
    """
    registry = catalog().registry(kind)
    fitting = [entry for entry in registry if _takes(entry, path)]
    own = recipe.plugin if recipe is not None else ""
    if kind == "writers" and not path.suffix:
        fitting = [entry for entry in registry if entry.facts.get("folder")]
    if kind == "readers" and not fitting:
        fitting = [entry for entry in registry if _bears_mark(path, entry)]
    if not fitting:
        known = dict.fromkeys(e for entry in registry for e in entry.facts.get("extensions", ()))
        verb = "takes" if kind == "readers" else "makes"
        if kind == "readers" and path.suffix.lower() in CONVERTED:
            raise ValueError(
                f"no reader takes {path.name}: convert it to {CONVERTED[path.suffix.lower()]} first"
            )
        listed = ", ".join(filter(None, known)) or "nothing"
        raise ValueError(
            f"no {registry.kind} {verb} {path.name}; {kind} know {listed} "
            f"(see: restore list {kind})"
        )
    return max(fitting, key=lambda entry: (len(_takes(entry, path)), entry.plugin == own))


def suffix(source: Path) -> str:
    """The extension as it stands in the name: .nii.gz of scan.nii.gz; a folder has none.

    A name without one has that of the reader whose mark the file bears.
    """
    if source.is_dir():
        return ""
    extensions = [_takes(entry, source) for entry in catalog().registry("readers")]
    longest = len(max(extensions, key=len, default=""))
    if longest:
        return source.name[-longest:]
    marked = (e for e in catalog().registry("readers") if _bears_mark(source, e))
    return next((entry.facts["extensions"][0] for entry in marked), source.suffix)


def _of_folder(folder: Path, recipe: Entry | None) -> Entry | None:
    """The reader, of those the recipe names, that takes something of what lies in the folder."""
    names = () if recipe is None else recipe.facts.get("folders", ())
    inside = [path for path in folder.iterdir() if path.is_file() and path.name[0] != "."]
    for entry in (catalog().entry("readers", name) for name in names):
        seen = [path for path in inside if path.name not in entry.facts.get("ignores", ())]
        if any(_ending(path, entry.facts["extensions"], bare=True) is not None for path in seen):
            return entry
    return None


def _takes(entry: Entry, path: Path) -> str:
    """The extension of the entry that the name ends in, or none."""
    if entry.facts.get("folder"):
        return ""
    return _ending(path, entry.facts.get("extensions", ())) or ""


def _bears_mark(path: Path, reader: Entry) -> bool:
    """Whether a file without extension holds the reader's mark, its letters at their place."""
    if path.suffix or "mark" not in reader.facts or not path.is_file():
        return False
    place, letters = reader.facts["mark"]
    with open(path, "rb") as file:
        file.seek(place)
        return file.read(len(letters)) == letters.encode()


def _ending(path: Path, extensions: Sequence[str], bare: bool = False) -> str | None:
    """The longest of the extensions that the name ends in; "" is for a name without, if `bare`."""
    fitting = [e for e in extensions if e and path.name.lower().endswith(e)]
    if bare and "" in extensions and not path.suffix:
        fitting.append("")
    return max(fitting, key=len, default=None)
