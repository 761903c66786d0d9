"""restore simulate: degrade clean files as a recipe's measurement would."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from ..batch import RunFlags, Work, run_each
from ..program import COMMAND
from ..recipe_flags import WORDS, Recipes


def flags() -> list[click.Parameter]:
    return [
        click.Option(
            ["--noise"],
            type=click.FloatRange(min=0),
            help="Standard deviation of the noise to add, in units of the full range; "
            "else 0.05, or what the recipe's measurement has.",
        ),
        click.Option(["--seed"], type=int, default=0, show_default=True, help="Of the noise."),
    ]


class Simulating(Work):
    """Degrade each input."""

    def __init__(self, settings: Any):
        self.settings = settings

    def execute(self, source: Path, target: Path, sharing: Any) -> Mapping[str, Any]:
        from ...files.simulating import simulate_file

        return simulate_file(source, target, self.settings)

    def kept(self, facts: Mapping[str, Any]) -> Mapping[str, Any]:
        return facts

    def sentence(self, facts: Mapping[str, Any]) -> str:
        level = "" if facts["noise"] is None else f", noise {facts['noise']:g}"
        return f"{', '.join(facts['output'])}: {facts['operator']}{level}"

    def row(self, outcome: Any) -> Mapping[str, Any]:
        if outcome.error is not None:
            return {"input": str(outcome.source), "error": str(outcome.error)}
        return outcome.facts

    def finish(self, out: Path, merged: Any) -> None:
        """Nothing: there is no sheet of what was simulated."""


def execute(recipe: str, options: Mapping[str, Any], flags: RunFlags, **more: Any) -> int:
    from ...files.problem import Settings

    command = click.get_current_context().meta[COMMAND]
    words = ["simulate", *click.get_current_context().meta[WORDS]]
    return run_each(Simulating(Settings.of(recipe, options, command=command, **more)), flags, words)


simulate = Recipes(
    "simulate",
    of=("simulate", "observe"),
    execute=execute,
    common=flags,
    help="Degrade clean files, to have something to restore. restore simulate RECIPE --help tells "
    "a recipe's options. INPUT: files, folders, patterns.",
)
