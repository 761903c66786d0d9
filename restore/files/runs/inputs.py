"""The files that the words of a command line mean."""

import glob
from collections.abc import Callable, Sequence
from pathlib import Path

# extensions of words about files, and of what lies beside one that is read: nobody misses them
WORDS = (".txt", ".md", ".csv", ".json", ".yaml", ".yml", ".xml", ".xmp", ".html", ".pdf", ".log",
         ".ini", ".db", ".raw", ".zraw", "")  # fmt: skip


def input_files(
    given: Sequence[str],
    has_reader: Callable[[Path], bool],
    is_whole: Callable[[Path], bool] = lambda folder: False,
) -> list[Path]:
    """The files that paths, folders and patterns mean, each once.

    A folder stands for itself where `is_whole`, as one input of many files; else for the files in
    it that have a reader and, at any depth, the folders that are whole. ValueError if it has
    neither. A pattern that fits nothing is a FileNotFoundError; a plain path is left as it is.
    """
    found: dict[Path, None] = {}
    for one in given:
        path = Path(one)
        if path.is_dir() and is_whole(path):
            found[path] = None
        elif path.is_dir():
            inside = [p for p in visible(path) if p.is_file() and has_reader(p)]
            inside += _whole_folders(path, is_whole)
            if not inside:
                raise ValueError(f"the folder {path} holds no file that a reader takes")
            found.update(dict.fromkeys(inside))
        elif glob.has_magic(one) and not path.exists():
            fitting = [Path(p) for p in sorted(glob.glob(one, recursive=True))]
            if not fitting:
                raise FileNotFoundError(f"no file fits {one}")
            found.update(dict.fromkeys(p for p in fitting if p.is_file()))
        else:
            found[path] = None
    return list(found)


def left_out(
    given: Sequence[str],
    has_reader: Callable[[Path], bool],
    is_whole: Callable[[Path], bool] = lambda folder: False,
) -> list[Path]:
    """The files in given folders that no reader takes, less those that are words about others."""
    missed: list[Path] = []
    for folder in (Path(one) for one in given):
        if folder.is_dir() and not is_whole(folder):
            inside = [path for path in visible(folder) if path.is_file()]
            unread = [path for path in inside if not has_reader(path)]
            missed += [path for path in unread if path.suffix.lower() not in WORDS]
    return missed


def visible(folder: Path) -> list[Path]:
    """What lies in a folder, in order of name; names that begin with a dot are hidden."""
    return [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]


def _whole_folders(folder: Path, is_whole: Callable[[Path], bool]) -> list[Path]:
    """The folders below this one that are one input each; links to folders are not followed."""
    found = []
    for inner in visible(folder):
        if inner.is_dir() and not inner.is_symlink():
            found += [inner] if is_whole(inner) else _whole_folders(inner, is_whole)
    return found
