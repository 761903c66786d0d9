"""A file or a folder that appears whole, or not at all."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

PARTIAL = ".partial"  # the end of the name of what is not whole yet


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """The path of a file to write that takes the place of `target` at the end, or is removed."""
    partial = target.with_name(target.name + PARTIAL)
    try:
        yield partial
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def atomic_file(target: Path) -> Iterator[BinaryIO]:
    """A file to write that appears under its name when it is complete, or not at all."""
    with atomic_path(target) as partial, open(partial, "w+b") as file:
        yield file


@contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """A folder to write in that takes the place of `target` at the end, or leaves nothing."""
    partial = target.with_name(f".{target.name}{PARTIAL}")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        yield partial
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    before = target.with_name(f".{target.name}.before")
    shutil.rmtree(before, ignore_errors=True)
    if target.exists():
        target.rename(before)
    partial.rename(target)
    shutil.rmtree(before, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """A small file in UTF-8, whole or not at all; "?" for what a file's name has that is none."""
    with atomic_path(path) as partial:
        partial.write_bytes(text.encode("utf-8", "replace"))
