"""The saved state of an interrupted run: chunks that are done, and where the current one stands."""

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...atomic import atomic_path
from ...measurement.signal import ChainNoise, Solves
from ...samplers.base import Resumed, Step
from ...untrusted.saved_states import saved_state
from ..decoding import Decoding
from ..precision import Counted
from ..watchers import Trace, Watcher
from .chunks import Chunk

EVERY = 20.0  # seconds between two saves of the chunk under way


class AnotherRun(ValueError):
    """A saved state is of other data, or of other settings."""


class Checkpoint:
    """A file that a run leaves when it is cut off, and takes up when it is called again.

    A file of another run (other data, sampler, seed, ...) is refused with ValueError; path None
    keeps nothing. The chunks stay what they were begun as, and so does what was counted: `tally`.
    """

    def __init__(self, path: str | Path | None, mark: str, chunks: Sequence[Chunk], precision: str):
        self.path = None if path is None else Path(path)
        self.state: dict[str, Any] = {
            "mark": mark, "chunks": [tuple(chunk) for chunk in chunks], "precision": precision,
            "done": {}, "going": None, "tally": {},
        }  # fmt: skip
        self.saved = time.monotonic()
        self.stands: tuple[Chunk, int, Step, Tensor] | None = None  # not written yet
        if self.path is not None and self.path.exists():
            state = saved_state(self.path, *self.state)
            if state["mark"] != mark:
                raise AnotherRun(
                    f"{self.path} is the state of another run; remove it or repeat that run"
                )
            self.state = state

    @property
    def tally(self) -> dict[str, Any]:
        """What had been counted where the run was cut off; empty where it begins."""
        return self.state["tally"]

    @property
    def done(self) -> dict[Chunk, Tensor]:
        """The samples of all chunks that are done."""
        return {Chunk(*chunk): samples for chunk, samples in self.state["done"].items()}

    @property
    def left(self) -> list[Chunk]:
        """The chunks that are not done yet."""
        return [Chunk(*c) for c in self.state["chunks"] if c not in self.state["done"]]

    def halve(self) -> None:
        """Make two of every chunk that is left."""
        halves = [tuple(half) for chunk in self.left for half in chunk.halves]
        self.state["chunks"] = [*self.state["done"], *halves]
        self.state["going"] = self.stands = None

    def keep(self, chunk: Chunk, samples: Tensor, tally: dict[str, Any]) -> None:
        """Remember the samples of a chunk that is done, and write them."""
        self.state["done"][tuple(chunk)] = samples
        self.state |= {"going": None, "tally": tally}
        self.stands = None
        self.flush()

    def going(
        self, chunk: Chunk, noise: ChainNoise, device: torch.device
    ) -> tuple[Tensor | None, Resumed]:
        """x, and where its loop stands, of a chunk that was cut off; the noise is set back to that.

        x is None where the chunk begins.
        """
        going = self.state["going"]
        if going is None or going["chunk"] != tuple(chunk):
            return None, Resumed()
        noise.set_state(going["noise"])
        x, carried = _on(device, (going["x"], going["carried"]))
        return x, Resumed(going["passed"], carried)

    def pause(
        self, chunk: Chunk, passed: int, step: Step, noise: ChainNoise, tally: "Tally"
    ) -> None:
        """Remember where the chunk stands; written every EVERY seconds, and by `flush`."""
        if self.path is None:
            return
        self.stands, self.state["tally"] = (chunk, passed, step, noise.state()), tally.now()
        if time.monotonic() - self.saved > EVERY:
            self.flush()

    def close(self) -> None:
        """Remove the file: the run is complete."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)

    def flush(self) -> None:
        """Write the state now."""
        if self.path is None:
            return
        if self.stands is not None:
            chunk, passed, step, noise = self.stands
            x, carried = _on(torch.device("cpu"), (step.x, step.carried))
            self.state["going"] = {
                "chunk": tuple(chunk), "passed": passed, "x": x, "carried": carried,
                "noise": noise,
            }  # fmt: skip
            self.stands = None
        with atomic_path(self.path) as partial:
            torch.save(self.state, partial)
        self.saved = time.monotonic()


def precision_of(path: str | Path | None) -> str | None:
    """The precision that a saved run was begun in: what "auto" chose then, it keeps."""
    if path is None or not Path(path).exists():
        return None
    return saved_state(path, "precision")["precision"]


class Tally:
    """What a run counts as it goes: calls of its networks, rows of its traces, seconds, solves."""

    def __init__(
        self, denoise: Counted, decoding: Decoding, watch: Sequence[Watcher], solves: Solves
    ):
        self.denoise, self.decoding, self.solves = denoise, decoding, solves
        self.traces = [watcher for watcher in watch if isinstance(watcher, Trace)]
        self.began = time.perf_counter()

    def now(self) -> dict[str, Any]:
        """All of it, for a file."""
        return {
            "calls": self.denoise.calls,
            "pullbacks": self.denoise.pullbacks,
            "decoding": self.decoding.rows,
            "traces": [list(trace.rows) for trace in self.traces],
            "seconds": time.perf_counter() - self.began,
            "solves": asdict(self.solves),
        }

    def put_back(self, then: dict[str, Any]) -> None:
        """Go on from what `now` gave then; from an empty one, as it is."""
        if not then:
            return
        self.denoise.calls, self.denoise.pullbacks = then["calls"], then["pullbacks"]
        self.decoding.recount(then["decoding"])
        self.began = time.perf_counter() - then["seconds"]
        for name, value in then["solves"].items():
            setattr(self.solves, name, value)
        for trace, rows in zip(self.traces, then["traces"]):
            trace.rows[:] = rows


def _on(device: torch.device, value: Any) -> Any:
    """The tensors of nested tuples on a device; numbers are as they were."""
    if isinstance(value, tuple):
        return tuple(_on(device, part) for part in value)
    return value.to(device) if isinstance(value, Tensor) else value


def fingerprint(measurement, name, sigmas, seed, chains, options, init) -> str:
    """A hash of all that decides the numbers of a run."""
    digest = hashlib.sha256()
    for tensor in (measurement.y, sigmas, *([init] if init is not None else [])):
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    given = {key: _name(value) for key, value in sorted(options.items())}
    facts = [str(measurement.operator), name, seed, chains, given]
    digest.update(json.dumps(facts).encode())
    return digest.hexdigest()


def _name(value: Any) -> str:
    """A function by its name: its address is another in every process."""
    return getattr(value, "__name__", type(value).__name__) if callable(value) else str(value)
