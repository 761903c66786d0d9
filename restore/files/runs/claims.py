"""Who works on what: one owner for each name, among processes of one machine or of many.

A claim is a file that only one process can make. Its owner renews it while it lives; one that is
not renewed for a lease, or whose process is known to have ended, is taken over by an atomic rename.
Times are compared by one clock only, that of the process that waits: machines need not agree.
"""

import json
import os
import socket
import threading
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

LEASE = 120.0  # seconds without a sign of life after which a claim is taken over
ASIDE = ".aside-"  # the beginning of the name of a claim that is being taken over
PART = ".part-"  # in the name of a claim on a part of an input, which begins with a dot
RENEWALS = 6  # in a lease


def this_process() -> dict[str, Any]:
    """What tells this process from all others: its machine, its number, when it began."""
    return {"host": _host(), "pid": os.getpid(), "began": _began(os.getpid())}


def ended(process: Mapping[str, Any]) -> bool:
    """Whether a process is known to have ended; False where it cannot be known from here."""
    known = process.get("host") == _host() and isinstance(process.get("pid"), int)
    if not known or os.name == "nt":  # there a look at a process is a signal to it
        return False
    try:
        os.kill(process["pid"], 0)
    except ProcessLookupError:
        return True
    except OSError:  # it is another user's
        return False
    return _began(process["pid"]) != process.get("began")


def worker_name(label: str) -> str:
    """A name that no other process has: what it is for, then where it runs."""
    host = "".join(c if c.isalnum() or c in "-_." else "_" for c in socket.gethostname())[:60]
    return f"{label}-{host}-{os.getpid()}-{uuid4().hex[:6]}"


class Claims:
    """The claims of one process in a folder that all share.

    worker: the name that others will know this process by.
    """

    def __init__(self, folder: Path, worker: str, lease: float = LEASE):
        self.folder, self.worker, self.lease = folder, worker, lease
        self.text = json.dumps({"worker": worker, **this_process()})
        self.held: set[str] = set()
        self._seen: dict[str, tuple[tuple[int, int], float]] = {}
        self._renewing: threading.Thread | None = None

    def take(self, name: str) -> str | None:
        """Claim a name. None: another has it; "": it was free; else the worker that left it."""
        if self._make(name):
            self._seen.pop(name, None)
            return ""
        owner = self._abandoned_by(name)
        if owner is None or not self._take_over(name, owner):
            return None
        self._seen.pop(name, None)
        return owner.get("worker") or "unknown"

    def take_free(self, name: str) -> bool:
        """Claim a name that nobody has, or had when it died."""
        return not (self.folder / name).exists() and self._make(name)

    def release(self, name: str) -> None:
        """Give a name back; one that was taken over meanwhile is its new owner's."""
        self.held.discard(name)
        path = self.folder / name
        if _text(path) == self.text:
            path.unlink(missing_ok=True)

    def others(self) -> list[str]:
        """The names that other processes hold now, as far as they are known to live."""
        names = os.listdir(self.folder) if self.folder.exists() else []
        known = [name for name in names if name not in self.held and not name.startswith(".")]
        return [name for name in known if not ended(_owner(_text(self.folder / name)))]

    def sweep(self, settled: Collection[str]) -> None:
        """Remove what processes left that were killed when all but the claim was done.

        Claims on parts of inputs go, too, and those that were being taken over.
        """
        for name in os.listdir(self.folder):
            part = name.startswith(".") and PART in name
            if name in settled or name.startswith(ASIDE) or part:
                owner = _owner(_text(self.folder / name))
                if ended(owner) or not (owner or part):
                    (self.folder / name).unlink(missing_ok=True)

    def _make(self, name: str) -> bool:
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY
        try:
            handle = os.open(self.folder / name, flags, 0o666)
        except FileExistsError:
            return False
        try:
            with os.fdopen(handle, "w") as file:
                file.write(self.text)
        except OSError:
            (self.folder / name).unlink(missing_ok=True)
            raise
        self.held.add(name)
        self._renew()
        return True

    def _abandoned_by(self, name: str) -> Mapping[str, Any] | None:
        """The owner of a claim, if it is known to be dead or was not seen alive for a lease."""
        path = self.folder / name
        try:
            state = path.stat()
        except FileNotFoundError:
            return None
        owner = _owner(_text(path))
        if ended(owner):
            return owner
        sign = state.st_mtime_ns, state.st_ino
        last, since = self._seen.get(name, (None, 0.0))
        if last != sign:
            self._seen[name] = sign, time.monotonic()
            return None
        return owner if time.monotonic() - since > self.lease else None

    def _take_over(self, name: str, owner: Mapping[str, Any]) -> bool:
        """Whether the abandoned claim became ours: of many that try, one renames it away."""
        path, aside = self.folder / name, self.folder / f"{ASIDE}{uuid4().hex}"
        try:
            path.rename(aside)
        except FileNotFoundError:
            return False
        if _owner(_text(aside)) != owner:  # another was quicker, and this is its claim: give back
            if not path.exists():
                aside.rename(path)
            aside.unlink(missing_ok=True)
            return False
        made = self._make(name)
        aside.unlink(missing_ok=True)
        return made

    def _renew(self) -> None:
        if self._renewing is None or not self._renewing.is_alive():
            self._renewing = threading.Thread(target=self._renew_held, daemon=True)
            self._renewing.start()

    def _renew_held(self) -> None:
        while True:
            time.sleep(self.lease / RENEWALS)
            for name in list(self.held):
                path = self.folder / name
                if _text(path) == self.text:
                    try:
                        os.utime(path)
                    except OSError:  # the folder is gone: the next write will say so
                        return


def _owner(text: str) -> dict[str, Any]:
    """Who wrote a claim; nothing is known of one that is empty or cut."""
    try:
        owner = json.loads(text)
    except ValueError:
        return {}
    return owner if isinstance(owner, dict) else {}


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""


def _host() -> str:
    """The machine, and on it the space that process numbers are counted in."""
    try:
        space = os.readlink("/proc/self/ns/pid")
    except OSError:
        space = ""
    return f"{socket.gethostname()} {space}".strip()


def _began(pid: int) -> str:
    """When a process began, as the system counts; "" where it does not say."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return ""
    return stat.rpartition(")")[2].split()[19]
