"""restore run: restore files by a recipe."""

from collections.abc import Iterator, Mapping
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any

import click

from ..batch import RunFlags, Work, run_each
from ..program import COMMAND
from ..progress import progress_for
from ..recipe_flags import WORDS, Recipes, assignments
from ..sentences import opening, sentence


class Noise(click.ParamType):
    """A standard deviation, a quotient such as 25/255, a file of them, or "auto"."""

    name = "STD|auto|FILE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None):
        if value == "auto" or isinstance(value, Path):
            return value
        try:
            above, slash, below = str(value).partition("/")
            number = float(above) / float(below) if slash else float(value)
        except (ValueError, ZeroDivisionError):
            number = -1.0
        if not 0 <= number < float("inf"):
            if Path(value).is_file():
                return Path(value)
            self.fail(
                f"'{value}' is no standard deviation, such as 0.05 or 25/255, no file, nor auto",
                param,
                ctx,
            )
        return number


def flags() -> list[click.Parameter]:
    return [
        click.Option(
            ["--noise"],
            type=Noise(),
            metavar="STD|auto|FILE",
            help="Noise of the input, in units of its full range: 0.1, 25/255, or auto: estimated; "
            "or a file of the same size that holds the noise of every value.",
        ),
        *sampling(),
        *_widths(),
        click.Option(
            ["--reference"],
            type=click.Path(path_type=Path),
            help="The truth, to compare with: a file, or a folder of files of the same stem.",
        ),
        click.Option(["--samples"], is_flag=True, help="Write every sample, too."),
        click.Option(
            ["--mean-only"],
            is_flag=True,
            help="The posterior mean alone, by one network call where that gives it: seconds for a "
            "large photograph, no deviation, and 1 to 2.5 dB short of the mean of samples.",
        ),
        click.Option(
            ["--baseline"], help="A classical answer to set beside; a wrong name lists them."
        ),
        click.Option(
            ["--format"], metavar=".EXT", help="Of what is written; else the input's own."
        ),
        *_conditions(),
        *machine(),
        click.Option(
            ["--together"], type=click.IntRange(min=1), default=1, show_default=True, metavar="N",
            help="Small inputs of one shape that go through the network at once; results then "
            "differ by rounding.",
        ),
    ]  # fmt: skip


def sampling() -> list[click.Parameter]:
    at_least_one = click.IntRange(min=1)
    return [
        click.Option(
            ["--chains"],
            type=at_least_one,
            help="Samples to draw; else the recipe's own, mostly 8.",
        ),
        click.Option(["--seed"], type=int, default=0, show_default=True, help="Of the chains."),
        click.Option(["--steps"], type=at_least_one, help="Noise levels; else the recipe's own."),
        click.Option(["--sampler"], help="A name (see: restore list samplers), or auto."),
        click.Option(
            ["sets", "--set"],
            multiple=True,
            callback=assignments,
            metavar="KEY=VALUE",
            help="An option of the sampler (see: restore info sampler NAME); repeatable.",
        ),
        click.Option(
            ["--prior"],
            metavar="NAME|PATH",
            help="A registered one (see: restore list priors), or a path: a folder that is called "
            "as one of them is ./NAME.",
        ),
    ]


def _widths() -> list[click.Parameter]:
    """What tells how wide intervals are."""
    return [
        click.Option(
            ["--held-out/--no-held-out"],
            default=True,
            show_default=True,
            help="Where no calibration is for the run, keep a part of the measurement back and "
            "predict it by small runs: it tells how wide intervals should be, and which options "
            "are best.",
        ),
        click.Option(
            ["--intervals"],
            metavar="FILE|none",
            help="A calibration of intervals, from restore calibrate; else what lies beside the "
            "prior, where it is for the run.",
        ),
    ]


def _conditions() -> list[click.Parameter]:
    """What a prior that is conditional is told."""
    return [
        click.Option(["--label"], type=int, metavar="N", help="A class, for a prior of classes."),
        click.Option(
            ["--prompt"], metavar="TEXT", help="For a prior that is told texts; else the empty one."
        ),
        click.Option(["--negative-prompt"], metavar="TEXT", help="What guidance leads away from."),
        click.Option(
            ["--guidance"],
            type=click.FloatRange(0, 100),
            metavar="W",
            help="Classifier-free guidance of the prompt: 1 is the prior as trained, by one call;"
            " any other takes two.",
        ),
    ]


def machine() -> list[click.Parameter]:
    return [
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
    ]


class Restoring(Work):
    """Restore each input; one prior serves them all."""

    def __init__(self, settings: Any, *, quiet: bool):
        self.settings, self.quiet = settings, quiet
        self.drawn: Any = None

    def __reduce__(self) -> tuple[Any, ...]:
        """To another process, which loads its own prior and shows no progress."""
        return partial(Restoring, quiet=True), (self.settings,)

    @cached_property
    def load_prior(self) -> Any:
        from ...sampling.by_name import load_prior

        return cache(load_prior)

    def execute(self, source: Path, target: Path, sharing: Any) -> Mapping[str, Any]:
        from ...files.restoring import restore_file

        with progress_for(self.settings.sampling.chains, quiet=self.quiet) as progress:
            return restore_file(
                source,
                target,
                self.settings,
                load_prior=self.load_prior,
                checkpoint=sharing.checkpoint,
                say=self.open,
                progress=progress,
                sharing=sharing,
                drawn=self.drawn,
            )

    def prepare(self, items: Any, together: int) -> None:
        """Draw the samples of small inputs of one shape by the same network calls."""
        from ...files.restoring import draw_together

        files = [(source, sharing.checkpoint) for source, sharing in items]
        self.drawn = draw_together(files, self.settings, together, self.load_prior)

    def shareable(self, source: Path) -> bool:
        from ...files.answers.parts import may_have_parts

        return may_have_parts(source, self.settings)

    def help(self, source: Path, sharing: Any) -> Iterator[None]:
        from ...files.restoring import do_parts

        return do_parts(source, self.settings, sharing, self.load_prior)

    def open(self, problem: Any) -> None:
        """Say what will be done, before the long part."""
        if not self.quiet:
            click.echo(opening(problem, self.settings), err=True)

    def kept(self, facts: Mapping[str, Any]) -> Mapping[str, Any]:
        from ...files.report.facts import kept

        return kept(facts)

    def sentence(self, facts: Mapping[str, Any]) -> str:
        return sentence(facts)

    def row(self, outcome: Any) -> Mapping[str, Any]:
        from ...files.report.facts import row

        return row(outcome)

    def finish(self, out: Path, merged: Any) -> None:
        """A contact sheet and a table, where there is more than one input."""
        if len(merged.entries) > 1:
            from ...files.report.index import write_contact_sheet
            from ...files.runs.table import write_table

            write_table(out / "results.csv", merged)
            write_contact_sheet(out, merged, self.settings.recipe)


def execute(
    recipe: str,
    options: Mapping[str, Any],
    flags: RunFlags,
    *,
    sets: Mapping[str, str],
    intervals: str | None,
    **more: Any,
) -> int:
    from ...files.problem import Settings

    if more["mean_only"] and (more["chains"] or more["steps"] or more["samples"]):
        raise click.UsageError(
            "--mean-only is one network call: it takes no --chains, --steps or --samples"
        )
    command = click.get_current_context().meta[COMMAND]
    more |= {"sampler_options": sets, "calibration": intervals, "command": command}
    settings = Settings.of(recipe, options, **more)
    words = ["run", *click.get_current_context().meta[WORDS]]
    return run_each(Restoring(settings, quiet=flags.quiet), flags, words)


run = Recipes(
    "run",
    of=("solve",),
    execute=execute,
    common=flags,
    help="Restore files by a recipe. restore run RECIPE --help tells the options of each. "
    "INPUT: files, folders, patterns.",
)
