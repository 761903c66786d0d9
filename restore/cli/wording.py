"""The one line that an error says, and the exit status it has."""

import errno
from pathlib import Path

from ..errors import RestoreError, Terminated, UsageError

FAILURE, USAGE, PARTIAL, INTERRUPTED, TERMINATED = 1, 2, 3, 130, 143


def mistake(error: BaseException) -> bool:
    """Whether it is the user's or the machine's, and not a defect of ours."""
    if isinstance(error, KeyError):
        return _sentence(error)
    if isinstance(error, (RestoreError, ValueError, TypeError, OSError)):
        return True
    return isinstance(error, (FloatingPointError, MemoryError)) or _out_of_memory(error)


def line(error: BaseException) -> str:
    """One line: what was met, where, and what would have been right."""
    if isinstance(error, OSError) and error.strerror:
        where = error.filename2 or error.filename
        hint = "; free some, and run the same command again" if full(error) else ""
        return f"{error.strerror}{f': {where}' if where else ''}{hint}"
    if isinstance(error, MemoryError) or _out_of_memory(error):
        where = f"{error}: " if isinstance(error, MemoryError) and str(error) else ""
        return f"{where}not enough memory; try fewer --chains, or another --device"
    words = str(error.args[0]) if isinstance(error, KeyError) else str(error)
    return " ".join(words.split()) or type(error).__name__


def status(error: BaseException) -> int:
    """The exit status of an error: an unknown name is wrong usage, most others a failure."""
    if isinstance(error, KeyError):
        return USAGE
    return getattr(error, "status", FAILURE)


def interrupted(error: BaseException | None) -> int:
    """The exit status of a run that was told to end: by the keyboard, or by a scheduler."""
    return TERMINATED if isinstance(error, Terminated) else INTERRUPTED


def ends_run(error: BaseException, out: Path | None = None) -> bool:
    """Whether every other input would fail as well.

    What an option lacks may be met by one file alone: the noise, say, that others tell themselves.
    out: the folder that is written to; when that cannot be done, it cannot for any.
    """
    own = isinstance(error, UsageError) or status(error) == FAILURE
    return full(error) or not own or (out is not None and _unwritable(error, out))


def _unwritable(error: BaseException, out: Path) -> bool:
    """Whether the folder that is written to is gone, read-only or of a broken disk."""
    if not isinstance(error, OSError) or error.errno is None:
        return False
    if error.errno == errno.EROFS:
        return True
    places = (str(name) for name in (error.filename, error.filename2) if name is not None)
    return any(Path(place).is_relative_to(out) for place in places)


def full(error: BaseException) -> bool:
    """Whether the disk, or the user's share of it, is full."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def _sentence(error: KeyError) -> bool:
    """A KeyError of ours says a sentence; a slip of the code only a key."""
    return bool(error.args) and isinstance(error.args[0], str) and " " in error.args[0]


def _out_of_memory(error: BaseException) -> bool:
    return type(error).__name__ == "OutOfMemoryError"  # torch's, which need not be imported here
