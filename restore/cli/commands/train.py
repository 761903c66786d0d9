"""restore train: a prior of one's own, from a folder of files."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from ...errors import UsageError
from ...priors.coloured import BANDS
from ...sampling.devices import usable
from ..program import say
from ..wording import interrupted

PLAN = (
    "steps", "batch", "patch", "early_patch", "early_steps", "learning_rate", "method", "seed"
)  # fmt: skip
NETWORKS = {  # by what the network is told of the noise: its kind, and the bands it sees
    "scalar": ("unet", None), "map": ("folded-unet", None), "bands": ("folded-unet", BANDS)
}  # fmt: skip
LEVELS = ("sigma_max", "sigma_median")


class Widths(click.ParamType):
    """32,64,128: the channels of each level of the network."""

    name = "N,N,..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None):
        if isinstance(value, tuple):
            return value
        try:
            widths = tuple(int(width) for width in value.split(","))
        except ValueError:
            widths = (0,)
        if min(widths) < 1:
            self.fail(f"'{value}' is not a list of widths such as 32,64,128,256", param, ctx)
        return widths


@click.group()
def train() -> None:
    """Train a prior on your own files."""


@train.command()
@click.argument(
    "folders", metavar="FOLDER...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@click.option(
    "out",
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    metavar="PRIOR_FOLDER",
    help="Where the prior, its curve and checkpoint go.",
)
@click.option("--steps", type=click.IntRange(min=1), default=20_000, show_default=True)
@click.option("--batch", type=click.IntRange(min=1), default=16, show_default=True)
@click.option(
    "--patch",
    type=click.IntRange(min=8),
    default=64,
    show_default=True,
    help="Side of the pieces trained on.",
)
@click.option(
    "--early-patch",
    type=click.IntRange(min=8),
    default=32,
    show_default=True,
    help="Side of the pieces of the first --early-steps, which are as many more.",
)
@click.option("--early-steps", type=click.IntRange(min=0), default=0, show_default=True)
@click.option(
    "learning_rate",
    "--lr",
    type=click.FloatRange(min=0, min_open=True),
    default=1e-3,
    show_default=True,
    help="Learning rate.",
)
@click.option(
    "--method",
    type=click.Choice(["adamw", "muon"]),
    default="adamw",
    show_default=True,
    help="Of descent; muon learns more in a step of a convolutional network.",
)
@click.option(
    "--minutes",
    type=click.FloatRange(min=0, min_open=True),
    help="Stop after so long; the same command goes on.",
)
@click.option(
    "--channels",
    type=click.Choice(["grey", "colour"]),
    help="Make all pictures grey, or all colour.",
)
@click.option(
    "noise",
    "--noise",
    type=click.Choice(list(NETWORKS)),
    default="scalar",
    show_default=True,
    help="What the network is told: one noise level, a map of them, value by value, or bands of "
    "coloured noise, too.",
)
@click.option(
    "--widths",
    type=Widths(),
    help="Channels of the network's levels.  [default: 32,64,128,256; of map and bands 48,96,192]",
)
@click.option(
    "--blocks",
    type=click.IntRange(min=1),
    help="Residual blocks a level.  [default: 2; of map and bands 3]",
)
@click.option(
    "--validation",
    type=click.Path(path_type=Path),
    help="A folder of files that are not trained on.",
)
@click.option(
    "--validate-every",
    type=click.IntRange(min=1),
    default=1000,
    show_default=True,
    help="Steps between two validations, and two checkpoints.",
)
@click.option(
    "--start",
    type=click.Path(path_type=Path),
    metavar="PRIOR_FOLDER",
    help="A prior to begin from; its number of channels may be another.",
)
@click.option(
    "--material",
    metavar="NAME",
    help="How files become what is trained on (see: restore list materials); else as they are.",
)
@click.option("--sigma-max", type=float, default=10.0, show_default=True, help="Largest noise.")
@click.option(
    "--sigma-median", type=float, default=0.1, show_default=True, help="Of the noise levels drawn."
)
@click.option("--mean", type=float, help="The signals' centre; else measured.")
@click.option("sigma_data", "--spread", type=float, help="Their standard deviation; else measured.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--device", default="auto", show_default=True)
@click.option("--name", help="For the prior's card; else the folder's name.")
@click.option("--licence", default="unknown", show_default=True, help="Of the weights.")
@click.option("--data", help="What it was trained on; else the training folder's name.")
@click.option("--overwrite", is_flag=True, help="Replace a prior that lies there already.")
def denoiser(
    folders: tuple[Path, ...],
    out: Path,
    channels: str | None,
    validation: Path | None,
    material: str | None,
    device: str,
    overwrite: bool,
    **asked: Any,
) -> int:
    """Train a denoiser on all files in FOLDER; use it with --prior PRIOR_FOLDER.

    A run that was interrupted goes on when the same command is given again.
    """
    from ...files.training import PriorPlan, has_prior, train_prior
    from ...networks.training import Training
    from ...networks.training.noise_levels import NoiseLevels

    if has_prior(out) and not overwrite:
        raise FileExistsError(f"{out} holds a prior already; choose another, or add --overwrite")
    device = usable(device)
    gathered = _material(material, folders, validation, channels)
    count, held = len(gathered.signals), len(gathered.validation)
    click.echo(f"{count} signals to train on, {held} to validate with", err=True)
    levels = NoiseLevels(**{key: asked.pop(key) for key in LEVELS})
    training = Training(**{key: asked.pop(key) for key in PLAN}, levels=levels)
    card = {"name": asked.pop("name") or out.name, "licence": asked.pop("licence")}
    data = asked.pop("data") or ", ".join(folder.name for folder in folders)
    card |= {"data": data, "signals": count}
    kind, bands = NETWORKS[asked.pop("noise")]
    plan = PriorPlan(training, kind=kind, bands=bands, card=card, **asked)
    try:
        errors = train_prior(out, gathered, plan, device=device, report=_report)
    except KeyboardInterrupt as stop:
        say("interrupted; run the same command again to go on")
        return interrupted(stop)
    sigma = min(errors, key=lambda level: abs(level - 0.1))
    click.echo(f"{out}: rms error {errors[sigma] ** 0.5:.4f} at sigma {sigma:.3g}")
    return 0


def _material(name: str | None, folders: Sequence[Path], validation: Path | None, channels):
    if name is None:
        from ...files.training import material

        return material(folders, validation, channels)
    from ...plugins.discovery import catalog

    if channels is not None:
        raise UsageError(f"--channels is not for --material {name}, which makes its own")
    return catalog().load("materials", name)(folders, validation)


def _report(line: str) -> None:
    """Steps on one moving line of a terminal; everything else, and elsewhere, line by line."""
    if not line.strip() or line.strip() == "validation":
        return
    if sys.stderr.isatty():
        moving = line.startswith("step")
        click.echo(f"\r\033[K{line}", err=True, nl=not moving)
    else:
        click.echo(line, err=True)
