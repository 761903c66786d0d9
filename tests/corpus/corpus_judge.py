"""What becomes of a broken file: done, refused in one line that names it, or a fault of ours."""

import hashlib
import random
import resource
import shutil
import signal
import time
import traceback
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from corpus_files import FORMATS, GREY, Format, written
from corpus_mutations import Act, mutations
from PIL import Image

from restore import Prior
from restore.cli.wording import line, mistake
from restore.files.problem import Settings
from restore.files.restoring import restore_file

SECONDS, MEMORY = 10.0, 1 << 30  # of the processor, bytes: what one file may take at most


class Verdict(NamedTuple):
    """fault: what was wrong with what we did; "" where all was right."""

    case: str
    outcome: str  # "done" or "refused"
    words: str
    seconds: float
    fault: str = ""


class TooLong(BaseException):
    """A file took more of the processor's time than one may."""


def shrinking(name: str, **conditions: object) -> Prior:
    """In place of every prior: signals are white, of any shape."""
    return Prior(lambda x, sigma: x / (1 + sigma**2), sigma_max=2.0, card={"name": name})


def cases() -> Iterator[tuple[str, Format, Act]]:
    """All of them, by name, each broken in its own way."""
    for form in FORMATS:
        for name, act in mutations(form):
            yield f"{form.name}: {name}", form, act


def judged(case: str, form: Format, act: Act, folder: Path) -> Verdict | None:
    """The verdict of one case; None where its library cannot write such a file."""
    folder.mkdir(parents=True)
    try:
        with warnings.catch_warnings(action="ignore"):
            path = written(form, folder)
            act(path, random.Random(zlib.crc32(case.encode())))
    except Exception:
        return None
    before = _sums(folder)
    started, held = time.process_time(), _peak()
    outcome, words, fault = _tried(form, path, folder)
    seconds, taken = time.process_time() - started, _peak() - held
    faults = [fault]
    if seconds > SECONDS:
        faults.append(f"it took {seconds:.1f} s")
    if taken > MEMORY:
        faults.append(f"it took {taken / 2**30:.1f} GiB")
    if _sums(folder) != before:
        faults.append("the input was changed")
    left = [one.name for one in folder.glob("*OUT*")]
    if left != (["OUT"] if outcome == "done" else []):
        faults.append(f"it left {left}")
    shutil.rmtree(folder)
    return Verdict(case, outcome, words, seconds, "; ".join(filter(None, faults)))


def _tried(form: Format, path: Path, folder: Path) -> tuple[str, str, str]:
    """(outcome, words, fault) of restoring the file, or with it."""
    recipe, options, noise = form.command
    source = path.with_suffix(".npy") if path.suffix == ".yaml" else path  # which lies beside it
    if form.option is not None:
        source, options = folder / "picture.png", {**options, form.option: str(path)}
        Image.fromarray(GREY).save(source)
    settings = Settings.of(
        recipe, options, noise=noise, chains=1, steps=1, sampler="diffpir", device="cpu",
        precision="float32", held_out=False,
    )  # fmt: skip
    try:
        with _limited(), warnings.catch_warnings(action="ignore"):
            restore_file(source, folder / "OUT", settings, load_prior=shrinking)
    except TooLong:
        return "refused", "", "it took too long"
    except Exception as error:
        return "refused", line(error), _fault_of(error, path)
    finally:
        if form.option is not None:
            source.unlink()
    mean = folder / "OUT" / "mean.npy"  # of what was restored in pieces there is none
    whole = (folder / "OUT" / "report.json").exists()
    finite = not mean.exists() or np.isfinite(np.load(mean)).all()
    return "done", "", "" if whole and finite else "what was made is not whole, or not finite"


def _fault_of(error: Exception, path: Path) -> str:
    """What is wrong with the way an error is said."""
    words = line(error)
    if not mistake(error):
        return "".join(traceback.format_exception(error))
    if path.stem not in words and path.name not in words:
        return f"its line does not name the file: {words}"
    advice = ("allow_pickle", "weights_only", "force=True", "pip install git", "Traceback")
    if any(word in words for word in advice) or len(words) > 600:
        return f"its line is not ours: {words}"
    return ""


@contextmanager
def _limited() -> Iterator[None]:
    """TooLong once the processor worked on it for SECONDS."""

    def end(number: int, frame: object) -> None:
        raise TooLong

    before = signal.signal(signal.SIGVTALRM, end)
    signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def _peak() -> int:
    """The most memory that this process ever held, in bytes."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _sums(folder: Path) -> dict[str, str]:
    files = (one for one in folder.iterdir() if one.is_file() and "OUT" not in one.name)
    return {one.name: hashlib.sha256(one.read_bytes()).hexdigest() for one in files}
