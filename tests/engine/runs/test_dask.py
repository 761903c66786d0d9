"""A run on a Dask cluster: a file that kills its worker is blamed by name, the rest is done."""

import importlib.util
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from run_ledgers import done_once, events, grids
from tiny import environment, grid, restore, tiny  # noqa: F401

pytestmark = pytest.mark.usefixtures("tiny")
here = pytest.mark.skipif(
    importlib.util.find_spec("distributed") is None,
    reason="distributed is not installed: pip install restore-toolbox[dask]",
)


@here
def test_a_poison_file_is_blamed_by_name_and_the_rest_is_done(monkeypatch):
    words = [*grids(6), "--engine", "dask", "--jobs", "2"]
    grid("in/poison.grid", 2, 2)
    Path("in/bad.grid").write_text("what")
    monkeypatch.setenv("TINY_POISON", "poison.grid")
    result = restore(*words, "--json")
    assert result.exit_code == 3, result.stderr
    rows = {Path(row["input"]).stem: row for row in map(json.loads, result.stdout.splitlines())}
    assert len(rows) == 8
    assert "crashed its worker 2 times" in rows["poison"]["error"]
    assert "could not" in rows["bad"]["error"] and "error" not in rows["003"]
    done_once({f"{n:03}" for n in range(6)})
    told = Counter(event["event"] for event in events())
    assert (told["crashed"], told["quarantined"], told["failed"]) == (2, 1, 1)
    restore("run", "calm", "in/003.grid", "-o", "alone", *words[5:-4])
    one, other = (Path(f"{out}/003/mean.npy").read_bytes() for out in ("out", "alone"))
    assert one == other


@here
def test_a_scheduler_elsewhere_is_named_by_its_address_or_its_file():
    from distributed import LocalCluster

    words = [*grids(3), "--overwrite"]
    own = {"host": "127.0.0.1", "dashboard_address": None, "threads_per_worker": 2}
    with LocalCluster(1, **own) as cluster:
        result = restore(*words, "--scheduler", cluster.scheduler_address)
        assert result.exit_code == 0, result.stderr
        done_once({"000", "001", "002"})
        lost = restore(*words, "--prior", "lost", "--scheduler", cluster.scheduler_address)
    assert lost.exit_code == 5
    assert lost.stderr == "restore: the weights lost.safetensors are missing\n"


def test_without_distributed_the_error_says_what_to_install():
    code = (
        "import sys; sys.modules['distributed'] = None\nfrom restore.cli import main\n"
        "main(sys.argv[1:])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *grids(2), "--engine", "dask"],
        capture_output=True, text=True, env=environment(),
    )  # fmt: skip
    assert done.returncode == 4
    assert done.stderr == (
        "restore: the engine dask needs distributed: pip install restore-toolbox[dask]\n"
    )
