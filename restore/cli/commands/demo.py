"""restore demo: the image plugin shows what restore does, on pictures that it carries along."""

import importlib
from pathlib import Path

import click

from ...errors import UnavailableError

SHOWN_BY = "restore_image.demo"  # by name only: the engine imports no plugin


@click.command()
@click.option(
    "out", "-o", "--output", type=click.Path(path_type=Path), required=True, metavar="OUT",
    help="Folder to write to.",
)  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Replace what lies in OUT already.")
@click.option("-q", "--quiet", is_flag=True, help="Show no commands and no progress.")
def demo(out: Path, overwrite: bool, quiet: bool) -> int:
    """Restore photographs from noise, holes, blur and low resolution, with the embedded prior."""
    if out.exists() and any(out.iterdir()) and not overwrite:
        raise FileExistsError(f"{out} holds files already; choose another folder, or --overwrite")
    try:
        module = importlib.import_module(SHOWN_BY)
    except ModuleNotFoundError as error:
        if error.name and not SHOWN_BY.startswith(error.name):
            raise
        raise UnavailableError(
            "the demo is part of the image plugin: pip install restore-image"
        ) from None
    return module.run(out, quiet=quiet)
