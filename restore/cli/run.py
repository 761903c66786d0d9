"""restore run: restore files by a recipe."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import click

from .batch import each
from .device import usable
from .program import COMMAND, say
from .progress import duration, shown
from .recipes import Recipes, assignments, inputs_and_output


class Noise(click.ParamType):
    """A standard deviation, or "auto"."""

    name = "STD|auto"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None):
        if value == "auto":
            return value
        try:
            number = float(value)
        except ValueError:
            number = -1.0
        if not 0 <= number < float("inf"):
            self.fail(f"'{value}' is no standard deviation, such as 0.05, nor auto", param, ctx)
        return number


def flags() -> list[click.Parameter]:
    at_least_one = click.IntRange(min=1)
    return [
        *inputs_and_output(),
        click.Option(
            ["--noise"],
            type=Noise(),
            metavar="STD|auto",
            help="Noise of the input, in units of its full range; auto estimates it.",
        ),
        click.Option(
            ["--chains"], type=at_least_one, default=8, show_default=True, help="Samples to draw."
        ),
        click.Option(["--seed"], type=int, default=0, show_default=True, help="Of all randomness."),
        click.Option(["--steps"], type=at_least_one, help="Noise levels; else the recipe's own."),
        click.Option(["--sampler"], help="See: restore list samplers."),
        click.Option(
            ["sets", "--set"],
            multiple=True,
            callback=assignments,
            metavar="KEY=VALUE",
            help="An option of the sampler (see: restore info sampler NAME); repeatable.",
        ),
        click.Option(["--prior"], metavar="NAME|PATH", help="See: restore list priors."),
        click.Option(
            ["--device"], default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, ..."
        ),
        click.Option(
            ["--precision"],
            type=click.Choice(["auto", "float32", "float64", "bfloat16"]),
            metavar="NAME",
            default="auto",
            show_default=True,
            help="auto, float32, float64 or bfloat16; auto: bfloat16 where it is faster.",
        ),
        click.Option(
            ["--reference"],
            type=click.Path(path_type=Path),
            help="The truth, to compare with: a file, or a folder of files of the same stem.",
        ),
        click.Option(["--samples"], is_flag=True, help="Write every sample, too."),
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
    sets: Mapping[str, str],
    **asked: Any,
) -> int:
    from .. import account, face
    from ..files import restore_file
    from ..outputs import gathered
    from ..problem import Problem, Settings
    from ..reading import taken

    command = click.get_current_context().meta[COMMAND]
    asked["device"] = usable(asked["device"])
    settings = Settings(recipe, options, sampler_options=sets, command=command, **asked)
    load_prior = cache(face.load_prior)

    def opening(problem: Problem) -> None:
        if not quiet:
            click.echo(_opening(problem, settings), err=True)

    def one(source: Path, target: Path, checkpoint: Path) -> dict[str, Any]:
        with shown(settings.chains, quiet=quiet) as progress:
            return restore_file(
                source,
                target,
                settings,
                load_prior=load_prior,
                checkpoint=checkpoint,
                say=opening,
                progress=progress,
            )

    def tell(source: Path, facts: dict[str, Any] | str) -> None:
        if isinstance(facts, str):
            say(facts)
        if as_json:
            click.echo(account.as_json(account.row(source, facts)))
        elif not isinstance(facts, str):
            click.echo(_sentence(facts))

    def close(results: list) -> None:
        if len(results) > 1:
            from ..sheet import write_sheet

            write_sheet(out, results, recipe)

    sources = gathered(inputs, taken)
    return each(sources, out, settings.mark, one, overwrite=overwrite, tell=tell, close=close)


def _opening(problem: Any, settings: Any) -> str:
    """x.png: denoise, prior image-grey, sampler dps, 8 chains, seed 0, noise 0.05 (estimated)."""
    words = [
        f"{problem.source}: {settings.recipe}",
        f"prior {problem.prior}",
        f"sampler {problem.sampler}",
        f"{settings.chains} chain{'s' if settings.chains > 1 else ''}",
        f"seed {settings.seed}",
    ]
    if problem.noise is not None:
        source = {"given": "", "estimated": " (estimated)", "recipe": " (the recipe's)"}
        words.append(f"noise {problem.noise:.3g}{source[problem.noise_source]}")
    return ", ".join(words)


def _sentence(facts: Mapping[str, Any]) -> str:
    """out/x/restored.png: mean of 8 samples, misfit 1.02, 41 s; psnr 30.1 (one sample 28.0)."""
    chains = facts["chains"]
    words = "one sample" if chains == 1 else f"mean and std of {chains} samples"
    if facts["chi_square"] is not None:
        words += f", misfit {facts['chi_square']:.3g}"
    words += f", {duration(facts['seconds'])}"
    mean, sample = facts["metrics"]["mean"], facts["metrics"]["sample"]
    merits = [
        f"{name} {_figure(value)} (one sample {_figure(sample[name])})"
        for name, value in mean.items()
    ]
    return f"{facts['output']}: {'; '.join([words, *merits])}"


def _figure(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4g}"


run = Recipes(
    "run",
    of="solve",
    act=act,
    common=flags,
    help="Restore files by a recipe. restore run RECIPE --help tells the options of each. "
    "INPUT: files, folders, patterns.",
)
