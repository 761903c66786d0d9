"""The tiny plugin, installed for one test; grids to restore, and the command line to do it with."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny_parts
from click.testing import CliRunner
from fake_plugins import install

from restore.cli import main
from restore.plugins import catalog


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """A working folder with a.grid and b.grid in it, where the tiny plugin is the only other."""
    site = tmp_path / "site"
    work = tmp_path / "work"
    site.mkdir()
    work.mkdir()
    install(site, "tiny", None, module="tiny_plugin")
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("RESTORE_PLUGINS", "tiny")
    monkeypatch.setattr(tiny_parts, "INTERRUPT", {"after": None, "calls": 0})
    monkeypatch.chdir(work)
    catalog.cache_clear()
    grid("a.grid", 6, 5)
    grid("b.grid", 4, 3, seed=1)
    yield work
    catalog.cache_clear()


def grid(name: str, rows: int, columns: int, seed: int = 0) -> Path:
    """A noisy grid, N(0.5, 0.2^2 + 0.1^2)."""
    values = 0.5 + 0.05**0.5 * np.random.default_rng(seed).standard_normal((rows, columns))
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    np.savetxt(name, values)
    return Path(name)


def restore(*words: str, raising: bool = False):
    """Run the command line; what it says on stdout and stderr, and its exit status."""
    result = CliRunner().invoke(main, [str(word) for word in words])
    if raising or (result.exception and not isinstance(result.exception, SystemExit)):
        raise result.exception
    return result


def environment() -> dict[str, str]:
    """For a process of its own that sees what this one sees."""
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def tree(folder: Path) -> list[str]:
    """Every file in a folder, hidden ones too."""
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
