"""What was measured once on a machine, and holds for later runs: one small file a verdict."""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from ...atomic import PARTIAL
from ...plugins import store


def kept_verdict(kind: str, about: Sequence[str], measure: Callable[[], bool]) -> bool:
    """What `measure` said the first time that it was asked about this, on this machine.

    Of several processes that measure at once the first one's word counts, for all of them, so that
    workers agree. A file that is damaged is measured anew; where none can be kept, the measurement
    stands for this process.
    """
    key = hashlib.sha256(json.dumps(list(about)).encode()).hexdigest()[:32]
    path = store.home().parent / kind / f"{key}.json"
    known = _read(path)
    if known is not None:
        return known
    damaged = path.exists()
    found = measure()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if damaged:
            path.unlink(missing_ok=True)
        partial = path.with_name(f"{key}.{os.getpid()}{PARTIAL}")
        partial.write_text(json.dumps({"about": list(about), "found": found}) + "\n")
        try:
            os.link(partial, path)  # fails where another process was first
        finally:
            partial.unlink(missing_ok=True)
    except FileExistsError:
        known = _read(path)
    except OSError:  # a home that cannot be written to
        return found
    return found if known is None else known


def _read(path: Path) -> bool | None:
    try:
        found = json.loads(path.read_text())["found"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, bool) else None
