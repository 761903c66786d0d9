"""restore simulate: degrade clean files as a recipe's measurement would."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from ..batch import each
from ..program import COMMAND, say
from ..recipe_flags import Recipes, inputs_and_output


def flags() -> list[click.Parameter]:
    return [
        *inputs_and_output(),
        click.Option(
            ["--noise"],
            type=click.FloatRange(min=0),
            help="Standard deviation of the noise to add, in units of the full range; "
            "else 0.05, or what the recipe's measurement has.",
        ),
        click.Option(["--seed"], type=int, default=0, show_default=True, help="Of the noise."),
    ]


def act(
    recipe: str,
    options: Mapping[str, Any],
    *,
    inputs: tuple[str, ...],
    out: Path,
    overwrite: bool,
    as_json: bool,
    quiet: bool,
    noise: float | None,
    seed: int,
) -> int:
    from ...files.by_extension import has_reader, reads_whole_folder
    from ...files.inputs import input_files
    from ...files.problem import Settings
    from ...files.simulating import simulate_file

    command = click.get_current_context().meta[COMMAND]
    settings = Settings(recipe, options, noise=noise, seed=seed, command=command)

    def one(source: Path, target: Path, checkpoint: Path) -> dict[str, Any]:
        return simulate_file(source, target, settings)

    def tell(source: Path, facts: dict[str, Any] | str) -> None:
        if isinstance(facts, str):
            say(facts)
        if as_json:
            error = {"input": str(source), "error": facts}
            click.echo(facts.as_json(error if isinstance(facts, str) else facts))
        elif not isinstance(facts, str):
            level = "" if facts["noise"] is None else f", noise {facts['noise']:g}"
            click.echo(f"{', '.join(facts['output'])}: {facts['operator']}{level}")

    sources = input_files(inputs, has_reader, lambda folder: reads_whole_folder(folder, recipe))
    return each(sources, out, settings.mark, one, overwrite=overwrite, tell=tell)


simulate = Recipes(
    "simulate",
    of=("simulate", "observe"),
    act=act,
    common=flags,
    help="Degrade clean files, to have something to restore. restore simulate RECIPE --help tells "
    "a recipe's options. INPUT: files, folders, patterns.",
)
