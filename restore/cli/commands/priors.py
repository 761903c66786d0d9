"""restore priors: other people's checkpoints as priors of one's own."""

import json
from pathlib import Path
from typing import Any

import click

from ...errors import RestoreError, WeightsError
from ...plugins import store
from ..wording import line
from .listing import flat, table

FILE = click.Path(path_type=Path)


@click.group()
def priors() -> None:
    """Import other people's checkpoints, and keep them by name.

    They lie in RESTORE_HOME/priors, or in the system's folder for data. Nothing is downloaded, and
    nothing of a checkpoint is run.
    """


@priors.command("list")
@click.option("as_json", "--json", is_flag=True, help="Print one JSON array.")
def list_(as_json: bool) -> None:
    """List what was imported; restore list priors shows the embedded ones, too."""
    entries = store.imported()
    if as_json:
        click.echo(json.dumps([{"name": e.name, "summary": e.summary, **e.facts} for e in entries]))
    elif entries:
        table([(entry.name, entry.summary) for entry in entries])
    else:
        click.echo(f"nothing in {store.home()}; restore priors import FILE --name NAME", err=True)


@priors.command("import")
@click.argument("source", type=FILE, metavar="FILE_OR_FOLDER")
@click.option("--name", required=True, help="What it will be called: --prior NAME.")
@click.option("--licence", help="Of the weights, as their authors state it.")
@click.option("--describe", type=FILE, metavar="FILE.yaml", help="What the file cannot tell.")
@click.option("--salvage", is_flag=True, help="Rebuild the arrays of a file that names code.")
@click.option("--encoder", type=FILE, help="Of a latent prior, where it is a file of its own.")
@click.option("--decoder", type=FILE, help="Of a latent prior, where it is a file of its own.")
@click.option("--tokenizer", type=FILE, help="A folder: of a text encoder within the file.")
@click.option("--measure", type=FILE, metavar="FOLDER", help="Clean files: measure its errors.")
@click.option("--overwrite", is_flag=True, help="Replace an imported prior of this name.")
def import_(
    source: Path,
    name: str,
    licence: str | None,
    describe: Path | None,
    measure: Path | None,
    overwrite: bool,
    **options: Any,
) -> None:
    """Convert a checkpoint once; then it is used with --prior NAME.

    FILE_OR_FOLDER is a checkpoint of torch, Lightning or safetensors, a MATLAB file of FFDNet, a
    folder with one, a folder of diffusers, or one that restore train wrote.
    """
    target = store.free_name(name, overwrite=overwrite)
    from ...networks.importing.converting import import_prior
    from ...networks.importing.describing import read_told

    told = {} if describe is None else read_told(describe)
    if licence is not None:
        told["licence"] = licence
    if measure is not None:
        from ...files.merit.measuring import measured_on

        options["measured"] = measured_on(measure)
    for note in import_prior(source, target, told=told, **options):
        click.echo(note, err=True)
    entry = store.found(name)
    if entry is not None and entry.facts["licence"] == "unknown":
        click.echo(f"{name}: its licence is unknown; say it with --licence", err=True)
    click.echo(f"{name}: imported to {target}; use it with --prior {name}")


@priors.command()
@click.argument("name")
@click.option("as_json", "--json", is_flag=True, help="Print its description as JSON.")
def show(name: str, as_json: bool) -> None:
    """Tell what is known of an imported prior, and where it lies."""
    from ...untrusted.strict_json import read_json

    folder = store.folder_of(name)
    try:
        described = read_json(folder / store.DESCRIPTION, "a prior's description")
    except WeightsError as error:
        raise WeightsError(f"{error}; import it again: {store.again(name)}") from None
    told = {"name": name, "folder": str(folder), "variance": _variance(described), **described}
    if as_json:
        click.echo(json.dumps(told))
        return
    for key, value in flat(told):
        click.echo(f"{key + ':':24} {value}")


def _variance(described: dict[str, Any]) -> str:
    """Where the prior's mean square errors at each noise level come from."""
    if described.get("errors"):
        return f"measured on {described.get('measured', 'what it was trained with')}"
    return "assumed: of white signals of a quarter of the data range (--measure FOLDER)"


@priors.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
def verify(names: tuple[str, ...]) -> int:
    """Read imported priors (all, if none is named) whole: descriptions, checksums, weights."""
    from ...networks.importing.trial import loaded

    failed = 0
    for name in names or [entry.name for entry in store.imported()]:
        folder = store.folder_of(name)
        try:
            loaded(folder)
        except RestoreError as error:
            failed = error.status
            hint = (
                f"; import it again: {store.again(name)}" if failed == WeightsError.status else ""
            )
            click.echo(f"{name}: {line(error)}{hint}", err=True)
        else:
            click.echo(f"{name}: whole")
    return failed


@priors.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
def remove(names: tuple[str, ...]) -> None:
    """Take imported priors away."""
    for name in names:
        store.folder_of(name)  # all are looked for before one is taken away
    for name in names:
        click.echo(f"{name}: removed from {store.remove(name).parent}")
