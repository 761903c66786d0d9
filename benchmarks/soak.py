"""A run that is killed again and again: what is left must be what an undisturbed run leaves.

python -m benchmarks.soak [FILES] [KILLS] [ENGINE]
"""

import json
import os
import random
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from restore.files.runs.run_folder import RunFolder
from restore.networks.folder import save_prior
from restore.networks.unets.unet import UNet

BROKEN = 100  # one file of so many
EVERY = 4  # of so many kills one takes the command itself
RECIPE = ("denoise", "--noise", "0.1", "--chains", "1", "--steps", "2", "--sampler", "diffpir",
          "--device", "cpu", "--precision", "float32", "-q")  # fmt: skip


def pictures(folder: Path, count: int, *, broken: int = 0, side: int = 8) -> set[str]:
    """Write so many pictures of side x side pixels, some cut off; the names of those."""
    folder.mkdir()
    cut = set(random.Random(0).sample(range(count), broken))
    for number in range(count):
        path = folder / f"{number:06}.png"
        pixels = np.random.default_rng(number).integers(60, 200, (side, side), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
        if number in cut:
            path.write_bytes(path.read_bytes()[:40])
    return {f"{number:06}" for number in cut}


def small_prior(folder: Path) -> None:
    """A network of random weights that costs next to nothing: the bookkeeping is of interest."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = UNet(1, widths=(8,), blocks=1)
    levels = {0.002: 1e-5, 1.0: 0.05}
    save_prior(folder, network, mean=0.5, sigma_data=0.25, sigma_min=0.002, sigma_max=1.0,
               errors=levels, card={"name": "soak"})  # fmt: skip


def command(place: Path, out: str, *more: str) -> list[str]:
    recipe, *options = RECIPE
    words = ["run", recipe, str(place / "in"), "-o", str(place / out), *options]
    return [sys.executable, "-m", "restore.cli", *words, "--prior", str(place / "prior"), *more]


def owners(out: Path) -> list[int]:
    """The processes that hold claims."""
    found = []
    for path in RunFolder(out).claims.glob("[!.]*"):
        with suppress(OSError, ValueError, KeyError):
            found.append(json.loads(path.read_text())["pid"])
    return found


def disturbed(words: list[str], out: Path, kills: int) -> tuple[int, Counter, float]:
    """Repeat a command until it ends by itself, killing it and its workers at random moments.

    Gives the last exit status, how many of what were killed, and the seconds in all.
    """
    draw, killed, started = random.Random(1), Counter(), time.perf_counter()
    while True:
        with open(out.with_suffix(".said"), "wb") as said:
            process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=said)
        while process.poll() is None:
            time.sleep(draw.uniform(0.5, 3.0))
            if sum(killed.values()) < kills:
                killed[_kill(process, out, draw)] += 1
                del killed[""]
        if process.returncode != -signal.SIGKILL:
            seconds = time.perf_counter() - started
            if process.returncode not in (0, 3):
                last = out.with_suffix(".said").read_text()[-2000:]
                raise SystemExit(f"exit status {process.returncode}\n{last}")
            return process.returncode, killed, seconds


def _kill(process: subprocess.Popen, out: Path, draw: random.Random) -> str:
    """Kill one of those at work; what it was, "" where there was none to kill."""
    found = [pid for pid in owners(out) if pid != process.pid]
    if not found:
        return ""
    if draw.randrange(EVERY) == 0:
        process.kill()
        process.wait()
        return "command"
    with suppress(ProcessLookupError):
        os.kill(draw.choice(found), signal.SIGKILL)
        return "worker"
    return ""


def events(out: Path) -> Iterator[dict]:
    for path in RunFolder(out).ledger.iterdir():
        for line in path.read_bytes().split(b"\n"):
            with suppress(ValueError):
                yield json.loads(line)


def accounted(out: Path) -> dict[str, Counter]:
    """Event -> name -> how often it stands in the ledger."""
    found: dict[str, Counter] = {}
    for event in events(out):
        found.setdefault(event["event"], Counter())[event.get("name", "")] += 1
    return found


def differing(one: Path, other: Path) -> list[str]:
    """The results of one run whose bytes are others in the other; reports tell of the time."""
    names = [p for p in one.glob("*/*") if p.suffix in (".npy", ".png") and p.parent.name[0] != "."]
    missing = [str(p) for p in names if not (other / p.relative_to(one)).exists()]
    return missing or [
        str(p) for p in names if p.read_bytes() != (other / p.relative_to(one)).read_bytes()
    ]


def soak(files: int, kills: int, *engine: str) -> dict[str, object]:
    """The figures of a run of so many files that is killed so often; raises where one is lost."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        broken = pictures(place / "in", files, broken=max(1, files // BROKEN))
        small_prior(place / "prior")
        calm = command(place, "calm", "--jobs", "2")
        subprocess.run(calm, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        out = place / "out"
        _, killed, seconds = disturbed(command(place, "out", *engine), out, kills)
        again = _tried_again(out)
        found = accounted(out)
        done, failed = found["done"], set(found["failed"])
        names = {f"{number:06}" for number in range(files)}
        lost = names - set(done) - failed
        twice = [name for name, times in done.items() if times > 1]
        others = differing(place / "calm", out)
        if lost or twice or failed != broken or others or set(done) & broken:
            raise SystemExit(
                f"lost {lost}, done twice {twice}, differing {others}, failed {failed}"
            )
        return {
            "files": files,
            "workers killed": killed["worker"], "commands killed": killed["command"],
            "crashes blamed": sum(found.get("crashed", Counter()).values()),
            "hit twice, and tried again by name": again, "done": len(done), "failed": len(failed),
            "lost": 0, "done twice": 0, "results that differ": 0, "seconds": round(seconds),
        }  # fmt: skip


def _tried_again(out: Path) -> int:
    """Files that happened to be killed twice are quarantined: the commands that try them again."""
    words = [sys.executable, "-m", "restore.cli", "status", str(out), "--failed"]
    listed = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    quarantined = set(accounted(out).get("quarantined", ()))
    again = 0
    for line in listed.splitlines():
        parts = shlex.split(line)
        if Path(parts[3]).stem in quarantined:
            again += 1
            run = [sys.executable, "-m", "restore.cli", *parts[1:]]
            subprocess.run(run, stdout=subprocess.DEVNULL, check=True)
    return again


def main() -> None:
    numbers = [int(word) for word in sys.argv[1:3]]
    files, kills = [*numbers, *(10_000, 20)[len(numbers) :]]
    engine = ("--engine", "dask", "--jobs", "2") if "dask" in sys.argv[3:] else ("--jobs", "2")
    for what, figure in soak(files, kills, *engine).items():
        print(f"{what}: {figure}")


if __name__ == "__main__":
    main()
