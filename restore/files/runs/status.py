"""How a run stands: what its ledger, its claims and its folder tell, merged."""

import os
import shlex
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .claims import Claims
from .ledger import DONE, FAILED, QUARANTINED, Merged
from .run_folder import RunFolder
from .sharing import parts_done


@dataclass(frozen=True)
class Status:
    """How many inputs of a run are what, and how long the rest will take."""

    out: str
    recipe: str
    inputs: int
    done: int
    failed: int
    quarantined: int  # they crashed their worker twice
    running: int
    left: int
    parts: dict[str, int]  # slices or pieces that are done of inputs under way, by name
    seconds_a_file: float | None  # of one worker; None before the first is done
    seconds_left: float | None  # at the number of workers that are at work now
    damaged_lines: int  # of the ledger, passed over

    def as_facts(self) -> dict[str, Any]:
        return asdict(self)


def merged_of(out: Path) -> tuple[dict[str, Any], Merged]:
    """What a run is, and its ledger. FileNotFoundError where no run was begun there, or only
    another program's files lie there; ValueError where what it was is damaged."""
    folder = RunFolder(out)
    facts = folder.facts()
    if facts is None:
        raise FileNotFoundError(f"{out} holds no run; give the folder that a run writes to")
    if not facts:
        raise ValueError(f"{folder.record} is damaged; repeat the run's command, which mends it")
    return facts, Merged(folder.ledger, facts["mark"])


def status_of(out: Path) -> Status:
    """How the run in a folder stands; raises as `merged_of`."""
    facts, merged = merged_of(out)
    counts = merged.counts()
    held = set(Claims(RunFolder(out).claims, "status").others())
    running = len(held - merged.settled_names())
    inputs = max(int(facts["inputs"]), sum(counts.values()))
    left = max(0, inputs - sum(counts.values()))
    seconds = [entry.seconds for entry in merged.entries.values() if entry.state == DONE]
    pace = sum(seconds) / len(seconds) if seconds else None
    rest = None if pace is None else pace * left / max(1, running)
    return Status(
        out=str(out), recipe=str(facts["recipe"]), inputs=inputs, **counts,
        running=min(running, left), left=left, parts=parts_done(RunFolder(out).states),
        seconds_a_file=None if pace is None else round(pace, 3),
        seconds_left=None if rest is None else round(rest, 1),
        damaged_lines=merged.damaged,
    )  # fmt: skip


def commands_of_failed(out: Path) -> Iterator[str]:
    """The command that tries each input again that failed or was quarantined."""
    facts, merged = merged_of(out)
    program, recipe, *words = facts["command"]
    here = os.getcwd() == facts["cwd"]
    place = str(out) if here else str(out.absolute())
    for _, line in merged.settled(FAILED, QUARANTINED):
        command = shlex.join(["restore", program, recipe, line["source"], "-o", place, *words])
        yield command if here else f"cd {shlex.quote(facts['cwd'])} && {command}"
