"""A plugin's code is run apart: what it prints, and how it ends, is its own."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import NoReturn

LONGEST = 300  # letters of what is said of a plugin's error


class Interrupted(KeyboardInterrupt):
    """The user's own Ctrl-C, not a KeyboardInterrupt that a plugin raised."""


@contextmanager
def apart() -> Iterator[None]:
    """Run a plugin's code: its prints go to stderr, a user's Ctrl-C passes as Interrupted."""
    with redirect_stdout(sys.stderr), _users_interrupt():
        yield


@contextmanager
def _users_interrupt() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are the main thread's
        return
    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupted)
    try:
        yield
    except Interrupted:
        raise
    except KeyboardInterrupt:
        # ignored, as in the background of a shell, it is not the user's
        if before not in (signal.default_int_handler, _interrupted, signal.SIG_IGN):
            raise Interrupted from None  # whose it is cannot be told
        raise
    finally:
        if before is signal.default_int_handler:
            signal.signal(signal.SIGINT, before)


def _interrupted(number: int, frame: object) -> NoReturn:
    raise Interrupted


def said(error: BaseException) -> str:
    """One line: what an exception says, with its kind where its words alone do not tell."""
    kind = type(error).__name__
    try:
        words = str(error.args[0] if len(error.args) == 1 else error)
    except Exception:  # its own __str__ is broken, too
        words = ""
    words = "".join(letter if letter.isprintable() else " " for letter in words)
    words = " ".join(words.split())
    words = words if len(words) <= LONGEST else f"{words[:LONGEST]} ..."
    if isinstance(error, ValueError) and words:
        return words
    return f"{kind}: {words}" if words else kind
