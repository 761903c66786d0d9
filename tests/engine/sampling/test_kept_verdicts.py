"""What was measured once holds: for later runs, and for workers that measure at once."""

import json
from multiprocessing import get_context
from pathlib import Path

import pytest
import torch
from torch import nn

from restore.priors.prior import Prior
from restore.sampling import precision
from restore.sampling.keeping.verdicts import kept_verdict


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("RESTORE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_the_first_measurement_holds(home):
    assert kept_verdict("speed", ["a", "cpu"], lambda: True)
    assert kept_verdict("speed", ["a", "cpu"], lambda: pytest.fail("measured twice"))
    assert not kept_verdict("speed", ["b", "cpu"], lambda: False)
    files = sorted((home / "speed").iterdir())
    assert len(files) == 2 and {json.loads(f.read_text())["found"] for f in files} == {True, False}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"found": 3}', '{"other": true}'])
def test_a_damaged_file_is_measured_anew(home, text):
    kept_verdict("speed", ["a"], lambda: False)
    (file,) = (home / "speed").iterdir()
    file.write_text(text)
    assert kept_verdict("speed", ["a"], lambda: True)
    assert json.loads(file.read_text())["found"] is True


def test_a_home_that_cannot_be_written_to_is_no_obstacle(home):
    home.write_text("a file where the folder would be")
    assert kept_verdict("speed", ["a"], lambda: True)


def _measured(own: bool, barrier, found) -> None:
    def measure() -> bool:
        barrier.wait(20)  # all measure at once, and find different things
        return own

    found.put(kept_verdict("speed", ["a"], measure))


def test_workers_that_measure_at_once_agree(home):
    context = get_context("fork")
    barrier, found = context.Barrier(4), context.SimpleQueue()
    workers = [
        context.Process(target=_measured, args=(i % 2 == 0, barrier, found)) for i in range(4)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
    assert len({found.get() for _ in workers}) == 1


def test_auto_measures_a_network_once(monkeypatch):
    asked = []
    monkeypatch.setattr(precision, "_worthwhile", lambda *args: bool(asked.append(args)) or True)
    chosen = []
    threads = iter((3, 1))
    monkeypatch.setattr(torch, "get_num_threads", lambda: next(threads))
    for _ in range(2):  # loaded twice, as by two processes, which have other numbers of threads
        torch.manual_seed(0)
        network = nn.Conv2d(1, 1, 3, padding=1)
        prior = Prior(
            lambda x, sigma: x, (1, None, None), sigma_min=0.01, sigma_max=10.0, network=network
        )
        device = torch.device("cpu")
        chosen.append(precision.choose_precision("auto", prior, (1, 16, 16), device))
    assert chosen == ["bfloat16"] * 2 and len(asked) == 1
    network.weight.data += 1  # another network
    other = nn.Conv2d(1, 1, 3, padding=1)
    prior = Prior(lambda x, s: x, (1, None, None), sigma_min=0.01, sigma_max=10.0, network=other)
    precision.choose_precision("auto", prior, (1, 16, 16), device)
    assert len(asked) == 2
