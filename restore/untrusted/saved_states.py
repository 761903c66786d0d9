"""The state that an interrupted run or training saved, which may be torn, or none at all."""

import warnings
from pathlib import Path
from typing import Any

import torch


class DamagedState(ValueError):
    """A file is no saved state, or it was cut off."""


def saved_state(path: str | Path, *needed: str, device: torch.device | str = "cpu") -> dict:
    """What was saved in a file, its tensors on a device; nothing of the file is run.

    needed: names that it must hold. DamagedState, which says what to do, for a file that is no such
    state, or a damaged one.
    """
    try:
        with warnings.catch_warnings(action="ignore"):
            state: Any = torch.load(path, map_location=device, weights_only=True)
    except OSError:
        raise
    except Exception:  # torch, zipfile and pickle raise anything, with advice that is not ours
        state = None
    if not isinstance(state, dict) or not all(name in state for name in needed):
        raise DamagedState(
            f"{path} is no saved state of a run, or it is damaged; remove it to begin anew"
        )
    return state
