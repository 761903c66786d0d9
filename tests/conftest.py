"""Test settings: quiet threads, and where shared data may lie."""

import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(Path(__file__).parent / "engine" / "fixtures"))
torch.set_num_threads(1)  # small tensors: threads only get in each other's way


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of data that is not part of the project; skips where it is absent."""
    path = ROOT.parent / "shared" / "data"
    if not path.is_dir():
        pytest.skip("the shared data folder is not beside this checkout")
    return path
