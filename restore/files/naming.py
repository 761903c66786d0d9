"""A broken file gives one line that names it."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Whatever a parser says of a broken file becomes one ValueError that names the file."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is wrong with a file is said once, below
            yield
    except Exception as error:  # foreign bytes may raise anything in a parser
        if isinstance(error, OSError) and error.errno is not None:
            raise  # not there, not allowed, a folder: the system's own words name the file
        if isinstance(error, ValueError) and str(path) in str(error):
            raise
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"{path}: {reason}") from error
