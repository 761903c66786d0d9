"""How a run stands, and the script that runs it on a cluster."""

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from run_ledgers import done_once, events, grids
from tiny import environment, grid, restore, tiny  # noqa: F401

from restore.files.runs.claims import Claims
from restore.files.runs.run_folder import RunFolder

pytestmark = pytest.mark.usefixtures("tiny")


def test_status_merges_all_shards_and_tells_what_is_left():
    words = grids(5)
    Path("in/bad.grid").write_text("what")
    restore(*words, "--shard", "1/2")
    result = restore("status", "out", "--json")
    found = json.loads(result.stdout)
    assert result.exit_code == 1
    assert (found["inputs"], found["done"], found["failed"], found["left"]) == (6, 3, 0, 3)
    Claims(RunFolder(Path("out")).claims, "another").take("001")
    found = json.loads(restore("status", "out", "--json").stdout)
    assert (found["running"], found["left"]) == (1, 3)
    assert found["seconds_a_file"] > 0  # in thousandths; what is left in tenths
    assert found["seconds_left"] == pytest.approx(3 * found["seconds_a_file"], abs=0.052)
    for number in (0, 3):  # slices of one that is a volume
        (RunFolder(Path("out")).states / f"001.checkpoint-part-{number}.done").touch()
    assert json.loads(restore("status", "out", "--json").stdout)["parts"] == {"001": 2}
    assert restore("status", "out").stdout.endswith(", 2 parts of 001 done\n")
    (RunFolder(Path("out")).claims / "001").unlink()
    assert restore(*words, "--shard", "2/2").exit_code == 3
    result = restore("status", "out")
    assert result.exit_code == 3
    assert result.stdout.startswith("out: calm, 6 inputs: 5 done, 1 failed, 0 running, 0 left, ")


def test_the_commands_of_what_failed_run_it_again():
    words = grids(2)
    Path("in/bad.grid").write_text("what")
    restore(*words, "--strength", "1.5", "--set", "trust=2", "--sampler", "slow", "--no-held-out")
    command, *more = restore("status", "out", "--failed").stdout.splitlines()
    assert not more and command == (
        f"restore run calm {os.path.abspath('in/bad.grid')} -o out --noise 0.1 --chains 2 "
        "--strength 1.5 --set trust=2 --sampler slow --no-held-out"
    )
    grid("in/bad.grid", 3, 3)
    assert restore(*command.split()[1:]).exit_code == 0
    assert restore("status", "out").exit_code == 0
    done_once({"000", "001", "bad"})
    os.chdir("in")
    assert restore("status", "../out", "--failed").stdout == ""


def test_the_sheet_and_the_table_come_from_the_ledger():
    words = grids(2)
    Path("in/bad.grid").write_text("what")
    restore(*words, "--shard", "1/1", "--reference", "in")
    assert not Path("out/index.html").exists()
    assert restore("status", "out", "--sheet").exit_code == 3
    sheet = Path("out/index.html").read_text()
    assert "2 restored, 1 failed" in sheet and "000/report.html" in sheet and "bad.grid" in sheet
    rows = list(csv.DictReader(Path("out/results.csv").read_text().splitlines()))
    assert [(row["name"], row["state"]) for row in rows] == [
        ("000", "done"), ("001", "done"), ("bad", "failed"),
    ]  # fmt: skip
    report = json.loads(Path("out/000/report.json").read_text())
    assert float(rows[0]["rmse"]) == report["metrics"]["mean"]["rmse"]
    assert "could not" in rows[2]["reason"]


def test_a_folder_without_a_run_has_no_status():
    for words in (("status", "absent"), ("status", ".")):
        result = restore(*words)
        assert result.exit_code == 1 and "holds no run" in result.stderr


def test_a_ledger_that_is_damaged_in_the_middle_is_read_around():
    restore(*grids(3))
    path = next(RunFolder(Path("out")).ledger.iterdir())
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], b'{"event": "done", "na\n', *lines[2:]]) + b'{"event')
    result = restore("status", "out")
    assert result.exit_code == 0 and "3 done" in result.stdout
    assert result.stderr == "restore: 1 damaged lines of the ledger were passed over\n"


SBATCH = """\
import os, re, subprocess, sys
script = sys.argv[1]
first, last = re.search(r"--array=(\\d+)-(\\d+)", open(script).read()).groups()
codes = []
for task in range(int(first), int(last) + 1):
    while True:
        if os.path.exists("requeued"):
            os.remove("requeued")
        env = {**os.environ, "SLURM_ARRAY_TASK_ID": str(task), "SLURM_ARRAY_JOB_ID": "7"}
        process = subprocess.Popen(["bash", script], env=env)
        if task == 1 and not os.path.exists("cut"):  # its time is over when it has begun
            import glob, time
            while not glob.glob("out/.restore/claims/0*"):
                time.sleep(0.02)
            open("cut", "w").close()
            process.terminate()
        code = process.wait()
        if not os.path.exists("requeued"):
            break
        codes.append(code)
    codes.append(code)
print(codes)
"""


def test_the_script_of_slurm_runs_all_shards_and_queues_what_was_cut_off_again():
    words = [*grids(5), "--sampler", "slow", "--steps", "400"]
    result = restore("slurm", *words[1:], "--tasks", "2", "--time", "00:10:00")
    assert result.exit_code == 0 and not Path("out").exists()
    script = result.stdout
    assert "#SBATCH --array=1-2\n" in script and "#SBATCH --requeue\n" in script
    assert re.search(r"#SBATCH --signal=B:TERM@\d+\n", script)
    assert "--sampler slow --steps 400" in script and "--tasks" not in script
    Path("job.sh").write_text(script)
    Path("bin").mkdir()
    Path("bin/scontrol").write_text('#!/bin/sh\n[ "$1 $2" = "requeue 7_1" ] && touch requeued\n')
    Path("bin/scontrol").chmod(0o755)
    path = f"{Path('bin').absolute()}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [sys.executable, "-c", SBATCH, "job.sh"], capture_output=True, text=True, timeout=400,
        env={**environment(), "PATH": path}, check=True,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "[143, 0, 0]", done.stderr
    done_once({f"{n:03}" for n in range(5)})
    workers = {e["worker"].split("-of-")[0] for e in events() if e["event"] == "begun"}
    assert workers == {"shard-1", "shard-2"}
    assert restore("status", "out").exit_code == 0
