"""Which reader takes a file, and which writer makes one: by the extension, among all plugins."""

from pathlib import Path

import torch

from .plugins import catalog
from .registry import Entry
from .task import Record


def read(path: Path, recipe: Entry | None = None) -> Record:
    """A file's contents, by the reader of its extension, of the recipe's own plugin if it has one.

    FileNotFoundError where there is no file; ValueError where no reader takes it, or where its
    values are not finite.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist")
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder, not a file")
    reader = find("readers", path, recipe)
    record = catalog().load("readers", reader.name)(path)
    if not torch.isfinite(record.signal).all():
        raise ValueError(f"{path} holds values that are not finite (NaN or infinity)")
    return record


def taken(path: Path) -> bool:
    """Whether some reader takes a file of this name."""
    return any(_takes(entry, path) for entry in catalog().registry("readers"))


def find(kind: str, path: Path, recipe: Entry | None) -> Entry:
    """The reader or writer of a name: the longest extension wins, then the recipe's own plugin."""
    registry = catalog().registry(kind)
    fitting = [entry for entry in registry if _takes(entry, path)]
    if not fitting:
        known = dict.fromkeys(e for entry in registry for e in entry.facts.get("extensions", ()))
        verb = "takes" if kind == "readers" else "makes"
        raise ValueError(
            f"no {registry.kind} {verb} {path.name}; {kind} know {', '.join(known) or 'nothing'} "
            f"(see: restore list {kind})"
        )
    own = recipe.plugin if recipe is not None else ""
    return max(fitting, key=lambda entry: (len(_takes(entry, path)), entry.plugin == own))


def suffix(source: Path) -> str:
    """The extension as it stands in the name: that of scan.nii.gz is .nii.gz."""
    extensions = [_takes(entry, source) for entry in catalog().registry("readers")]
    longest = len(max(extensions, key=len, default=""))
    return source.name[-longest:] if longest else source.suffix


def _takes(entry: Entry, path: Path) -> str:
    """The extension of the entry that the name ends in, or none."""
    fitting = [e for e in entry.facts.get("extensions", ()) if path.name.lower().endswith(e)]
    return max(fitting, key=len, default="")
