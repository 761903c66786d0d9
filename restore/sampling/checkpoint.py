"""The saved state of an interrupted run: chunks that are done, and where the current one stands."""

import hashlib
import json
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..atomic import atomic_path
from ..measurement.signal import ChainNoise
from ..untrusted.saved_states import saved_state

EVERY = 20.0  # seconds between two saves of the chunk under way


class Checkpoint:
    """A file that a run leaves when it is cut off, and takes up when it is called again.

    A file of another run (other data, sampler, seed, ...) is refused with ValueError; path None
    keeps nothing.
    """

    def __init__(self, path: str | Path | None, mark: str, batch_size: int, precision: str):
        self.path = None if path is None else Path(path)
        self.state: dict[str, Any] = {
            "mark": mark, "batch_size": batch_size, "precision": precision,
            "done": {}, "going": None,
        }  # fmt: skip
        self.saved = time.monotonic()
        if self.path is not None and self.path.exists():
            state = saved_state(self.path, *self.state)
            if state["mark"] != mark:
                raise ValueError(
                    f"{self.path} is the state of another run; remove it or repeat that run"
                )
            self.state = state

    @property
    def batch_size(self) -> int:
        """The batch size that the run was begun with: the chunks must stay what they were."""
        return self.state["batch_size"]

    def chunk(self, number: int) -> Tensor | None:
        """The samples of a chunk that is done; None for another."""
        return self.state["done"].get(number)

    def keep(self, number: int, samples: Tensor) -> None:
        """Remember the samples of a chunk that is done, and write them."""
        self.state["done"][number] = samples
        self.state["going"] = None
        self.flush()

    def going(self, noise: ChainNoise) -> tuple[int, Tensor] | None:
        """(levels passed, x) of the chunk that was cut off, its noise set back to that point."""
        going = self.state["going"]
        if going is None or len(going["noise"]) != len(noise.generators):
            return None
        noise.set_state(going["noise"])
        return going["passed"], going["x"]

    def pause(self, passed: int, x: Tensor, noise: ChainNoise) -> None:
        """Remember where the chunk stands; written every EVERY seconds, and by `flush`."""
        if self.path is None:
            return
        self.state["going"] = {"passed": passed, "x": x.cpu(), "noise": noise.state()}
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
        with atomic_path(self.path) as partial:
            torch.save(self.state, partial)
        self.saved = time.monotonic()


def precision_of(path: str | Path | None) -> str | None:
    """The precision that a saved run was begun in: what "auto" chose then, it keeps."""
    if path is None or not Path(path).exists():
        return None
    return saved_state(path, "precision")["precision"]


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
