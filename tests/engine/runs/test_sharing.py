"""One output, one owner: processes that share a run do each input once, and blame by name."""

import json
import os
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest
import tiny_parts
from run_ledgers import done_once, events, grids, started
from tiny import grid, restore, tiny, tree  # noqa: F401

from restore.files.runs.claims import Claims, ended, this_process
from restore.files.runs.ledger import Merged
from restore.files.runs.run_folder import RunFolder

pytestmark = pytest.mark.usefixtures("tiny")
POISON = "poison.grid"


def test_a_claim_has_one_owner_and_a_dead_owner_none(tmp_path):
    folder = tmp_path / "claims"
    folder.mkdir()
    one, other = Claims(folder, "one"), Claims(folder, "other")
    assert one.take("x") == "" and other.take("x") is None
    assert other.others() == ["x"] and one.others() == []
    one.release("x")
    assert other.take("x") == ""
    process = subprocess.Popen(["sleep", "0"])
    process.wait()
    dead = {**this_process(), "pid": process.pid, "worker": "dead"}
    assert ended(dead) and not ended(this_process()) and not ended({**dead, "host": "elsewhere"})
    (folder / "y").write_text(json.dumps(dead))
    assert one.take("y") == "dead" and other.take("y") is None


def test_a_lease_that_is_not_renewed_is_taken_over_by_one(tmp_path):
    claims = [Claims(tmp_path, f"worker {i}", lease=0.3) for i in range(4)]
    far = json.dumps({"worker": "far", "host": "elsewhere", "pid": 1, "began": ""})
    (tmp_path / "x").write_text(far)
    assert [one.take("x") for one in claims] == [None] * 4  # none has waited for a lease yet
    time.sleep(0.4)
    assert sorted(filter(None, (one.take("x") for one in claims))) == ["far"]
    (tmp_path / "y").write_text("")  # its owner died before it wrote its name
    assert claims[0].take("y") is None
    time.sleep(0.4)
    assert claims[0].take("y") == "unknown"
    time.sleep(0.4)  # the new owners renew theirs
    assert claims[3].take("y") is None


def test_two_identical_commands_share_the_work():
    words = grids(8)
    both = [started(*words) for _ in range(2)]
    said = [process.communicate(timeout=400) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert [len(out.splitlines()) for out, _ in said] == [8, 8]
    done_once({f"{n:03}" for n in range(8)})


def test_two_processes_do_what_one_does_whoever_is_killed():
    """Among the inputs are one that kills its worker, and one that is broken."""
    words = grids(12)
    restore(*words[:3], "-o", "alone", *words[5:])
    grid(f"in/{POISON}", 2, 2)
    Path("in/bad.grid").write_text("what")
    process = started(*words, "--jobs", "2", "--json", TINY_POISON=POISON)
    killed: dict[str, int] = {}  # by the input that each worked on: none is hit twice
    while process.poll() is None and len(killed) < 2:
        for path in RunFolder(Path("out")).claims.glob("0*"):
            owner = _pid(path)
            if owner is not None and path.name not in killed and owner not in killed.values():
                os.kill(owner, signal.SIGKILL)
                killed[path.name] = owner
                break
        time.sleep(0.02)
    out, said = process.communicate(timeout=400)
    assert process.returncode == 3 and killed, said
    done_once({f"{n:03}" for n in range(12)})
    rows = {Path(row["input"]).stem: row for row in map(json.loads, out.splitlines())}
    assert len(rows) == 14 and "could not" in rows["bad"]["error"]
    assert "crashed its worker 2 times; it is not tried again" in rows["poison"]["error"]
    assert said.splitlines()[-1].startswith("restore: 2 of 14 inputs failed: ")
    told = Counter(event["event"] for event in events())
    assert told["crashed"] >= 2
    # two workers may look at once at what has crashed twice, and both say so
    assert {e["name"] for e in events() if e["event"] == "quarantined"} == {"poison"}
    for path in Path("alone").glob("0*/*.npy"):
        assert path.read_bytes() == (Path("out") / path.relative_to("alone")).read_bytes()


def _pid(path: Path) -> int | None:
    try:
        return json.loads(path.read_text())["pid"]
    except (OSError, ValueError):
        return None


def test_what_crashed_its_worker_twice_is_left_alone_until_it_is_named(monkeypatch):
    words, read = grids(3), tiny_parts.read_grid
    grid(f"in/{POISON}", 2, 2)
    claim = RunFolder(Path("out")).claims / "poison"
    process = subprocess.Popen(["sleep", "0"])
    process.wait()

    def interrupting(path):
        if path.name == POISON:
            raise KeyboardInterrupt
        return read(path)

    for _ in range(2):  # a worker dies while it has the claim; the next is told to end
        claim.parent.mkdir(parents=True, exist_ok=True)
        claim.write_text(json.dumps({**this_process(), "pid": process.pid, "worker": "dead"}))
        with monkeypatch.context() as patch:
            patch.setattr(tiny_parts, "read_grid", interrupting)
            result = restore(*words)
    assert result.exit_code == 3
    reason = f"in/{POISON}: crashed its worker 2 times; it is not tried again"
    assert reason in result.stderr
    assert f"1 of 4 inputs failed: in/{POISON}" in restore(*words).stderr
    mark = events()[0]["mark"]
    assert Merged(RunFolder(Path("out")).ledger, mark).counts()["quarantined"] == 1
    command = restore("status", "out", "--failed").stdout.split()
    assert restore(*command[1:]).exit_code == 0  # named alone, it is tried again
    assert restore(*words).exit_code == 0
    done_once({"000", "001", "002", "poison"})


def test_what_meets_every_input_ends_all_processes_with_one_line():
    result = restore(*grids(4), "--jobs", "2", "--prior", "lost")
    assert result.exit_code == 5
    assert result.stderr == "restore: the weights lost.safetensors are missing\n"


def test_processes_that_are_told_to_end_save_their_state():
    for name in "abcd":
        grid(f"big/{name}.grid", 40, 40)
    process = started("run", "calm", "big", "-o", "out", "--noise", "0.1", "--sampler", "slow",
                      "--steps", "100000", "--jobs", "2", "-q")  # fmt: skip
    while not list(RunFolder(Path("out")).claims.glob("[!.]*")):
        time.sleep(0.1)
    time.sleep(2.0)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=400)
    assert process.returncode == 143, said
    assert said.splitlines()[-1] == "restore: interrupted; run the same command again to go on"
    assert list(RunFolder(Path("out")).states.iterdir())
    assert tree(Path("out/.restore/claims")) == []


def test_shards_are_all_inputs_once_and_each_goes_on_where_it_was():
    words = grids(7)
    seen = []
    for part in (1, 2, 3):
        result = restore(*words, "--shard", f"{part}/3")
        assert result.exit_code == 0
        seen.append(len(result.stdout.splitlines()))
    assert seen == [3, 2, 2]
    done_once({f"{n:03}" for n in range(7)})
    names = {path.name.split("-of-")[0] for path in RunFolder(Path("out")).ledger.iterdir()}
    assert names == {"shard-1", "shard-2", "shard-3"}
    assert restore(*words).exit_code == 0
    done_once({f"{n:03}" for n in range(7)})
    assert restore(*words, "--shard", "9/9").exit_code == 0  # more parts than inputs
    for wrong in ("0/3", "4/3", "3", "a/b"):
        assert restore(*words, "--shard", wrong).exit_code == 2
