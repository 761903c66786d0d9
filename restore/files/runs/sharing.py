"""The parts of one input, shared among all processes of a run that have nothing else to do.

One process owns the input: it joins the parts in their order and writes the result. It claims each
part before it samples it, so that others may do some meanwhile. What they make lies where the owner
looks for what an interrupted run kept: it only has to read it.
"""

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..answers.parts import Part
from .claims import PART, Claims

STATE, PART_OF, DONE = ".checkpoint", "-part-", ".done"  # of a file that marks a part as done
POLL = 0.1  # seconds between two looks at a part that another process has


def checkpoint_of(states: Path, name: str) -> Path:
    """The file that keeps what an interrupted run did of one input; name: of the input's folder."""
    return states / f"{name}{STATE}"


def parts_done(states: Path) -> dict[str, int]:
    """How many parts are done of each input that is under way, by the name of its folder."""
    marks = (path.name for path in states.glob(f"*{STATE}{PART_OF}*{DONE}"))
    return dict(sorted(Counter(name.rpartition(STATE)[0] for name in marks).items()))


class Sharing:
    """What the processes of a run know of the parts of one input.

    name: of the input's folder, and of its claim. checkpoint: as of `restore_file`.
    """

    def __init__(self, claims: Claims, name: str, checkpoint: Path):
        self.claims, self.name, self.checkpoint = claims, name, checkpoint

    def wanted(self) -> bool:
        """Whether a process still owns the input."""
        return (self.claims.folder / self.name).exists()

    @contextmanager
    def turn(self, key: str, ahead: Iterator[None]) -> Iterator[None]:
        """The owner's turn with a part: it is done by another, or claimed.

        While another process has it, parts that are still free are done.
        """
        claim = self._claim(key)
        while not self._mark(key).exists() and self.claims.take(claim) is None:
            if next(ahead, self) is self:
                time.sleep(POLL)
        try:
            yield
            self._mark(key).touch()
        finally:
            self._release(claim)

    def ahead(self, parts: Iterable[Part]) -> Iterator[None]:
        """Do parts that no process has begun, one at a time, until none is left."""
        for part in parts:
            claim, mark = self._claim(part.key), self._mark(part.key)
            if mark.exists() or not self.claims.take_free(claim):
                continue
            try:
                if not mark.exists():
                    part.answer(self.checkpoint)
                    mark.touch()
            finally:
                self._release(claim)
            yield

    def _claim(self, key: str) -> str:
        return f".{self.name}{PART}{key}"  # no folder of a result begins with a dot

    def _mark(self, key: str) -> Path:
        """A file that is there once the part is done."""
        return self.checkpoint.with_name(f"{self.checkpoint.name}{PART_OF}{key}{DONE}")

    def _release(self, claim: str) -> None:
        if claim in self.claims.held:
            with suppress(FileNotFoundError):  # the output folder was removed
                self.claims.release(claim)
