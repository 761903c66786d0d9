"""What many files cost beside the work on them, and what a run that is killed leaves behind.

python -m benchmarks.scale [FILES] [KILLS] [RECORDS] [SECTION ...]
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nibabel
import numpy as np
import torch

import restore
from restore.files.by_extension import read
from restore.files.runs.ledger import Ledger
from restore.files.runs.outputs import folder_names
from restore.measurement.noise import Gaussian

from .soak import command, pictures, small_prior, soak
from .tables import RESULTS, publish, table

SHARDS = 1000
PICTURES = 64
MERGE = """
import resource, sys, time
from pathlib import Path
from restore.files.runs.ledger import Merged
started = time.process_time()
merged = Merged(Path(sys.argv[1]), "mark")
seconds = time.process_time() - started
assert sum(merged.counts().values()) == int(sys.argv[2])
started = time.process_time()
merged.refresh()
again = time.process_time() - started
print(seconds, again, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def main() -> None:
    """All sections, or those that are named; the others stay as they were measured."""
    numbers = [int(word) for word in sys.argv[1:] if word.isdecimal()]
    asked = {word for word in sys.argv[1:] if not word.isdecimal()}
    files, kills, records = [*numbers, *(2000, 20, 1_000_000)[len(numbers) :]]
    known = {
        "overhead": ("A file's cost beside its samples", lambda: overhead(files)),
        "naming": ("Naming outputs", naming),
        "together": ("Small files together", together),
        "loop": ("The loop beside its network", loop_beside_network),
        "volume": ("A large volume", volume),
        "killed": ("Killed at random", lambda: killed(files, kills, "--jobs", "2")),
        "dask": (
            "Killed at random, on Dask",
            lambda: killed(files, kills, "--engine", "dask", "--jobs", "2"),
        ),
        "merging": ("Merging the ledger", lambda: merging(records)),
    }
    if asked - known.keys():
        raise SystemExit(f"no section {asked - known.keys()}; there are {', '.join(known)}")
    kept = _sections()
    for name, (title, measure) in known.items():
        if name in asked or not asked:
            load = f"Load of the machine: {os.getloadavg()[0]:.0f}."
            kept[title] = f"{measure()}\n\n{load}"
    order = [title for title, _ in known.values() if title in kept]
    notes = (
        "Pictures of 8x8 pixels, one chain of `diffpir` of two steps with a network that costs "
        "next to nothing, where nothing else is said: what is measured is all the rest. CPU times "
        "are of all processes; other work ran beside, which the clock on the wall feels. `make "
        "soak` is the long form, of 10 000 files; `python -m benchmarks.scale 600 20 killed` "
        "renews one section."
    )
    publish("scale", "Many files", notes, [f"## {title}\n\n{kept[title]}" for title in order])


def _sections() -> dict[str, str]:
    """What is on file: title -> text."""
    path = RESULTS / "scale.md"
    parts = path.read_text().split("\n## ")[1:] if path.exists() else []
    if parts:
        parts[-1] = parts[-1].rstrip().rpartition("\n\n")[0]  # the machine
    return {title: text.strip() for title, _, text in (part.partition("\n") for part in parts)}


def spent(words: list[str]) -> tuple[float, float, float]:
    """CPU seconds, seconds on the clock, MiB at the peak, of a command and its processes."""
    started = time.perf_counter()
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status) != 0:
        raise SystemExit(f"{words} failed")
    wall = time.perf_counter() - started
    return used.ru_utime + used.ru_stime, wall, used.ru_maxrss / 1024


def overhead(files: int) -> str:
    """CPU ms and memory that more files take, less what the samples take; files an hour."""
    with tempfile.TemporaryDirectory() as folder:
        return _overhead(Path(folder), files)


def _overhead(place: Path, files: int) -> str:
    few = max(20, files // 10)
    small_prior(place / "prior")
    rows, found = [], {}
    for count in (few, files):
        (place / str(count)).mkdir()
        pictures(place / str(count) / "in", count)
        (place / str(count) / "prior").symlink_to(place / "prior")
        found[count] = spent(command(place / str(count), "out"))
        rows.append([count, f"{found[count][0]:.1f}", f"{found[count][2]:.0f}"])
    each = 1000 * (found[files][0] - found[few][0]) / (files - few)
    sampling = 1000 * samples(place / str(few) / "in" / "000000.png", place / "prior")
    again = spent(command(place / str(files), "out"))
    text = table(["files", "CPU s", "peak MiB"], rows) + (
        f"\n\nA file more: {each:.1f} ms of CPU, of which its samples take {sampling:.1f} ms: "
        f"**{each - sampling:.1f} ms** beside them. Repeating the finished run of {files} files: "
        f"{again[0]:.1f} s of CPU."
    )
    both = spent(command(place / str(files), "two", "--jobs", "2"))
    hours = [["1", f"{3600 * files / found[files][1]:.0f}"], ["2", f"{3600 * files / both[1]:.0f}"]]
    return f"{text}\n\n{table(['jobs', 'files an hour, loading included'], hours)}"


def samples(picture: Path, folder: Path, times: int = 50) -> float:
    """CPU seconds that the samples of one file take, without files."""
    prior = restore.load_prior(folder)
    signal = read(picture).signal
    measurement = restore.Measurement(signal, restore.load_operator("identity", signal.shape),
                                      Gaussian(0.1))  # fmt: skip
    for count in (5, times):
        started = time.process_time()
        for seed in range(count):
            restore.sample(measurement, prior, sampler="diffpir", chains=1, steps=2, seed=seed)
        seconds = time.process_time() - started
    return seconds / times


def together() -> str:
    """CPU seconds of 64 small pictures, one at a time and several to a network call."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for side, chains in ((16, 1), (32, 1), (64, 1), (16, 8)):
            place = Path(folder) / f"{side}-{chains}"
            place.mkdir()
            pictures(place / "in", PICTURES, side=side)
            options = ["--noise", "0.1", "--steps", "5", "--chains", str(chains), "-q",
                       "--no-held-out", "--sampler", "diffpir", "--device", "cpu"]  # fmt: skip
            words = [sys.executable, "-m", "restore.cli", "run", "denoise", str(place / "in")]
            seconds = []
            for count in (1, PICTURES):
                out = ["-o", str(place / f"{count}"), "--together", str(count)]
                seconds.append(spent([*words, *options, *out])[0])
            gap = _largest_gap(place / "1", place / "64")
            told = [*(f"{s:.1f}" for s in seconds), f"{seconds[0] / seconds[1]:.2f}"]
            rows.append([f"{side}x{side}", chains, *told, f"{gap:.0e}"])
    head = ["picture", "chains", "CPU s, one at a time", f"{PICTURES} at once", "ratio",
            "largest difference"]  # fmt: skip
    return table(head, rows) + (
        f"\n\n{PICTURES} pictures, `image-grey`, 5 steps; the whole command, start and reports "
        "included. The difference is of a mean, whose range is 0 to 1: a network adds up in "
        "another order where more signals go through it. It is 0 where `auto` chose bfloat16 for "
        "the network, whose rounding is coarser than that."
    )


def _largest_gap(one: Path, other: Path) -> float:
    names = [path.relative_to(one) for path in one.glob("*/mean.npy")]
    return max(float(np.abs(np.load(one / n) - np.load(other / n)).max()) for n in names)


def volume(slices: int = 256, side: int = 512) -> str:
    """Memory and CPU seconds of a volume, by a stand-in for the network."""
    y, x = np.mgrid[:side, :side] - side / 2
    body = np.where(x**2 + y**2 < (0.4 * side) ** 2, 40, -1000).astype(np.int16)
    with tempfile.TemporaryDirectory() as folder:
        place, rng = Path(folder), np.random.default_rng(0)
        values = np.empty((side, side, slices), np.int16)
        for k in range(slices):
            values[..., k] = body + (20 * rng.standard_normal(body.shape)).astype(np.int16)
        nibabel.Nifti1Image(values, np.diag([1.0, 1, 2, 1])).to_filename(place / "volume.nii")
        small_prior(place / "prior")
        words = [sys.executable, "-m", "restore.cli", "run", "ct-denoise", place / "volume.nii",
                 "-o", place / "out", "--noise", "20", "--prior", place / "prior", "--chains", "2",
                 "--steps", "1", "--no-held-out", "-q"]  # fmt: skip
        cpu, _, peak = spent(list(map(str, words)))
    row = [f"{side}x{side}x{slices}", 2, f"{peak:.0f}", f"{cpu:.0f}"]
    return table(["voxels", "chains", "peak MiB", "CPU s"], [row]) + (
        "\n\n`ct-denoise` of int16, one step by the network that costs next to nothing: slices are "
        "restored one by one, and the samples of one are held."
    )


def loop_beside_network(side: int = 256, steps: int = 4) -> str:
    """CPU seconds of a run over those of its network's calls alone, in turns."""
    prior = restore.load_prior("image-grey")
    signal = torch.rand(1, side, side, generator=torch.Generator().manual_seed(0))
    measurement = restore.Measurement(signal, restore.load_operator("identity", signal.shape),
                                      Gaussian(0.1))  # fmt: skip
    rows = []
    for sampler in ("diffpir", "stochastic-denoising", "ddnm"):
        run = bare = 0.0
        for seed in range(4):
            started = time.process_time()
            made = restore.sample(measurement, prior, sampler=sampler, steps=steps, seed=seed)
            middle = time.process_time()
            with torch.no_grad():
                for _ in range(made.provenance["calls"]):
                    prior.denoise(signal[None], torch.tensor(0.5))
            if seed:  # the first one warms up
                run, bare = run + middle - started, bare + time.process_time() - middle
        rows.append([sampler, f"{bare:.2f}", f"{run:.2f}", f"{run / bare:.3f}"])
    return table(["sampler", "network alone, CPU s", "run, CPU s", "ratio"], rows) + (
        f"\n\n{side}x{side}, one chain, {steps} steps, three runs; on a CPU, one thread, in "
        "float32. What is below 1 is the error of the measurement. No GPU was there to measure on."
    )


def naming() -> str:
    rows = []
    for count in (2000, 20_000, 200_000):
        sources = [Path(f"scans/{n % 50:03}/{n // 3:07}.png") for n in range(count)]
        started = time.process_time()
        names = folder_names(sources)
        assert len(set(names)) == count
        rows.append([count, f"{time.process_time() - started:.2f}"])
    return table(["outputs", "CPU s"], rows)


def killed(files: int, kills: int, *engine: str) -> str:
    found = soak(files, kills, *engine)
    return table(["what", "figure"], list(found.items())) + (
        "\n\nWorkers and commands were killed by SIGKILL at random moments, and the command was "
        "given again; results were compared byte by byte with those of a run that was left alone."
    )


def merging(records: int, shards: int = SHARDS) -> str:
    """The ledger of so many files in so many parts, as `restore status` reads it."""
    with tempfile.TemporaryDirectory() as folder:
        place, size = Path(folder), 0
        for shard in range(shards):
            size += _write_shard(place, shard, records // shards)
        count = records // shards * shards
        words = [sys.executable, "-c", MERGE, str(place), str(count)]
        told = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
    seconds, again, peak = map(float, told)
    row = [count, shards, f"{size / 2**20:.0f}", f"{seconds:.1f}", f"{again:.2f}", f"{peak:.0f}"]
    head = [
        "files",
        "shards",
        "MiB of ledgers",
        "CPU s to merge",
        "CPU s to look again",
        "peak MiB",
    ]
    return table(head, [row])


def _write_shard(place: Path, shard: int, records: int) -> int:
    """A shard's ledger as a worker writes it, but all at once; its bytes."""
    digest = "0" * 64
    facts = {
        "recipe": "denoise", "operator": "Identity(1x512x512 -> 1x512x512)", "noise": 0.1,
        "prior": "image-grey", "sampler": "pigdm", "steps": 30, "calls": 30, "chains": 8, "seed": 0,
        "seconds": 3.25, "chi_square": 0.98, "metrics": {"mean": {"psnr": 31.4}, "sample": {}},
    }  # fmt: skip
    ledger = Ledger(place, f"shard-{shard + 1}-of-{SHARDS}", "mark")
    ledger.append("released", name="")
    ledger.close()
    lines = []
    for number in range(records):
        about = {"name": f"{shard:04}-{number:06}", "source": f"/data/scans/{shard}/{number}.png"}
        lines.append({"event": "claimed", "time": 1.0, **about})
        lines.append({
            "event": "done", "time": 2.0 + number, **about, "seconds": 3.3,
            "result": {"restored.png": digest}, "report": 2665, "looks": [[140, 1]],
            "from": {"input_sha256": digest, "mark": digest}, "facts": facts,
        })  # fmt: skip
    with ledger.path.open("a") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)
    return ledger.path.stat().st_size


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
