"""restore demo: photographs lose light, pixels and sharpness, and get them back.

The photographs are those that scikit-image carries in its own package; nothing is downloaded. Each
is degraded by `restore simulate` and restored by `restore run`, with the commands shown.
"""

import json
import shlex
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from PIL import Image
from skimage import data

from restore.cli import main
from restore.files.by_extension import read
from restore.files.report.display import shrink
from restore.files.report.page import THUMBNAIL, write_index

CHAINS, STEPS = 4, 25  # half a minute a photograph on two cores; `restore run` does 8 and 15 or 30
SIZE = 144


@dataclass(frozen=True)
class Act:
    """One photograph, what is done to it, and how it is asked back."""

    title: str
    photograph: str  # of skimage.data
    corner: tuple[int, int]
    shrunk: int  # by which the photograph is made smaller before
    recipe: str
    noise: float
    simulate: tuple[str, ...] = ()
    run: tuple[str, ...] = ()


ACTS = (
    Act("noise of a tenth of the range", "camera", (20, 100), 2, "denoise", 0.1),
    Act(
        "70 % of the pixels missing", "astronaut", (0, 40), 2, "inpaint", 0.02,
        ("--missing", "0.7"), ("--mask", "{measured}/mask.png"),
    ),
    Act(
        "blurred", "chelsea", (45, 120), 1, "deblur", 0.02,
        ("--kernel", "gaussian:1.6"), ("--kernel", "gaussian:1.6"),
    ),
    Act(
        "a quarter of the pixels", "coffee", (8, 150), 2, "superresolve", 0.02,
        ("--factor", "2"), ("--factor", "2"),
    ),
)  # fmt: skip


def run(out: Path, quiet: bool = False) -> int:
    """Play every act into the folder `out`, and write the contact sheet out/index.html.

    quiet: print neither commands nor progress. Gives the exit status of the first that failed.
    """
    rows = []
    for act in ACTS:
        clean = _photograph(act, out / "photographs")
        measured = out / "measured" / act.recipe
        _command(["simulate", act.recipe, clean, *act.simulate], act, measured, quiet)
        measured = measured / clean.stem
        flags = [flag.format(measured=measured) for flag in act.run]
        flags += ["--reference", clean, "--chains", CHAINS, "--steps", STEPS]
        source = measured / "measurement.tif"
        restored = out / "restored" / act.recipe
        status = _command(["run", act.recipe, source, *flags], act, restored, quiet)
        if status:
            return status
        rows.append(_row(act, source, restored / source.stem, out))
    write_index(out / "index.html", rows, title="Photographs, restored")
    click.echo(f"{out / 'index.html'}: open it in a browser")
    return 0


def _photograph(act: Act, folder: Path) -> Path:
    """A square of the photograph as a file; made smaller by the mean over blocks."""
    whole = getattr(data, act.photograph)()
    top, left = act.corner
    side = SIZE * act.shrunk
    crop = whole[top : top + side, left : left + side].astype(float)
    blocks = crop.reshape(SIZE, act.shrunk, SIZE, act.shrunk, -1).mean((1, 3)).squeeze()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{act.photograph}.png"
    Image.fromarray(blocks.round().astype(np.uint8)).save(path)
    return path


def _command(words: list, act: Act, out: Path, quiet: bool) -> int:
    """The exit status of a command, run as a user would type it."""
    words = [*map(str, words), "--noise", str(act.noise), "-o", str(out)]
    if out.exists():  # of an earlier demo, which the user agreed to replace
        words.append("--overwrite")
    if quiet:
        words.append("--quiet")
    else:
        click.echo(f"$ {shlex.join(['restore', *words])}", err=True)
    return main(words, standalone_mode=False) or 0


def _row(act: Act, source: Path, restored: Path, out: Path) -> dict:
    metrics = json.loads((restored / "report.json").read_text())["metrics"]["mean"]
    pictures = {"input": read(source).signal, "restored": read(restored / "restored.tif").signal}
    return {
        "title": f"{act.photograph}: {act.title}",
        "report": (restored / "report.html").relative_to(out).as_posix(),
        "pictures": {name: shrink(picture, THUMBNAIL) for name, picture in pictures.items()},
        "facts": {"recipe": act.recipe, **metrics},
    }
