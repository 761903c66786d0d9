"""Test settings: quiet threads, a home of their own, and where shared data may lie."""

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(Path(__file__).parent / "engine" / "fixtures"))
HOME = TemporaryDirectory()  # removed when the tests end
os.environ["RESTORE_HOME"] = HOME.name
torch.set_num_threads(1)  # small tensors: threads only get in each other's way


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of data that is not part of the project; skips where it is absent."""
    path = ROOT.parent / "shared" / "data"
    if not path.is_dir():
        pytest.skip("the shared data folder is not beside this checkout")
    return path
