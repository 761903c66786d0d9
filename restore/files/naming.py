"""A broken file gives one line that names it."""

import errno
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import RestoreError

# what libraries advise is theirs: to load unsafely, to force, to install what is not free to use
ADVICE = re.compile(
    r"allow_pickle|weights_only|unsafe|force=|pip install|conda|plugin|https?://|\buse \w+\(|"
    r"set \w+\s*=|MAX_IMAGE_PIXELS|LOAD_TRUNCATED",
    re.IGNORECASE,
)
FULL = (errno.ENOSPC, errno.EDQUOT)  # no room on the disk: no fault of this file
LONGEST = 200  # letters of a library's complaint; ours may have twice as many


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Whatever a parser says of a broken file becomes one ValueError that names the file.

    A library's words are kept where they tell what is wrong, and left out where they advise.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is wrong with a file is said once, below
            yield
    except Exception as error:  # foreign bytes may raise anything in a parser
        if isinstance(error, OSError) and (_names_a_file(error) or error.errno in FULL):
            raise  # not there, not allowed, a folder: the system's own words name the file
        if isinstance(error, ValueError) and str(path) in str(error):
            raise
        raise ValueError(f"{path}: {_reason(error)}") from error


@contextmanager
def located(path: Path) -> Iterator[None]:
    """What is wrong with an input is said with its name, where the words do not have it.

    Errors of a kind of their own, of options or weights say, stay as they are.
    """
    kinds = (RestoreError, TypeError, FloatingPointError, ValueError)
    try:
        yield
    except kinds as error:
        words = str(error)
        kind = next(kind for kind in kinds if isinstance(error, kind))
        own = type(error) is not kind and _of_the_house(type(error))  # it says more than its words
        if path.name in words or own:
            raise
        raise kind(f"{path}: {' '.join(words.split()) or type(error).__name__}") from error
    except MemoryError as error:
        raise MemoryError(str(path)) from error


def _names_a_file(error: OSError) -> bool:
    return error.errno is not None and (error.filename or error.filename2) is not None


def _reason(error: Exception) -> str:
    """What is wrong, in one line: our own words as they are, a library's without its advice."""
    words = "".join(letter if letter.isprintable() else " " for letter in str(error))
    words = " ".join(words.split())
    if isinstance(error, MemoryError):
        return "there is not enough memory for what it declares"
    if _is_ours(error) and words:
        return words if len(words) <= 2 * LONGEST else f"{words[: 2 * LONGEST]} ..."
    kind = type(error).__name__
    if not words or ADVICE.search(words):
        return f"it is broken, or of a kind that is not read here ({kind})"
    if len(words) > LONGEST:
        words = f"{words[:LONGEST]} ..."
    plain = isinstance(error, (ValueError, RuntimeError, OSError))
    return words if plain else f"it is broken ({kind}: {words})"


def _is_ours(error: Exception) -> bool:
    """Whether it was raised in the house or a plugin of it, not in a library beneath."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    return last is not None and last.tb_frame.f_globals.get("__name__", "").startswith("restore")


def _of_the_house(kind: type) -> bool:
    return kind.__module__.startswith("restore")
