"""restore calibrate: how wide intervals have to be, measured on clean files."""

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from functools import cache
from pathlib import Path
from typing import Any

import click

from ...plugins.options import Option
from ..batch import RunFlags
from ..recipe_flags import Recipes, flag
from .run import machine, sampling

DEFAULT_NOISE = "0.01..0.1"
ELSEWHERE = ("jobs", "shard", "engine", "scheduler")  # of work that other processes may do


class Calibrations(Recipes):
    """Its options are texts, in which low..high is a range to draw from."""

    def flag(self, option: Option) -> click.Option:
        made = flag(option)
        made.type, made.is_flag, made.callback = click.STRING, False, None
        made.opts, made.secondary_opts = made.opts[:1], []
        return made

    def own_flags(self) -> list[click.Parameter]:
        made = [param for param in super().own_flags() if param.name not in ELSEWHERE]
        for param in made:
            if param.name == "out":
                param.help = "File to write: calibration-NAME.json in a prior's folder is used."
                param.metavar = "TABLE"
        return made


def flags() -> list[click.Parameter]:
    return [
        click.Option(
            ["--noise"],
            default=DEFAULT_NOISE,
            show_default=True,
            help="Standard deviation, or a range of it, in units of the full range.",
        ),
        click.Option(
            ["--level"],
            type=click.FloatRange(0.5, 0.99),
            default=0.9,
            show_default=True,
            help="Share of the truth that intervals are to hold, on average over files.",
        ),
        click.Option(
            ["--files"],
            type=click.IntRange(min=1),
            default=40,
            show_default=True,
            help="Of those given, spread over all.",
        ),
        click.Option(
            ["--crop"], type=click.IntRange(min=8), help="Cut a square from each one's middle."
        ),
        click.Option(["--data"], help="What the files are, in words; else their folder's name."),
        *sampling(),
        *machine(),
    ]


def execute(
    recipe: str,
    options: Mapping[str, str],
    flags: RunFlags,
    *,
    sets: Mapping[str, str],
    data: str | None,
    **more: Any,
) -> int:
    from ...files.answers.calibrating import CalibrationPlan
    from ...files.answers.calibrating import calibrate as calibrated
    from ...files.by_extension import has_reader
    from ...files.merit.calibration import write_calibration
    from ...files.problem import Sampling
    from ...files.runs.inputs import input_files
    from ...sampling.by_name import load_prior

    if flags.out.exists() and not flags.overwrite:
        raise FileExistsError(f"{flags.out} is there already; choose another, or add --overwrite")
    names = {field.name for field in fields(Sampling)}
    drawn = Sampling(
        sampler_options=sets, **{name: more.pop(name) for name in [*more] if name in names}
    )
    words = data or ", ".join(Path(one).name for one in flags.inputs)[:200]
    plan = CalibrationPlan(recipe, options, sampling=drawn, data=words, **more)
    sources = input_files(flags.inputs, has_reader)
    say = (lambda line: None) if flags.quiet else (lambda line: click.echo(line, err=True))
    found = calibrated(sources, plan, cache(load_prior), say)
    write_calibration(flags.out, found)
    if flags.as_json:
        click.echo(json.dumps(asdict(found)))
        return 0
    before, after = (f"{share:.0%}" for share in found.covered)
    factors = f"{min(found.factors):.2f} to {max(found.factors):.2f}"
    click.echo(
        f"{flags.out}: {found.words}; intervals of {found.level:.0%} held {before} as sampled, "
        f"{after} with factors from {factors}"
    )
    return 0


calibrate = Calibrations(
    "calibrate",
    of=("observe",),
    execute=execute,
    common=flags,
    help="Degrade clean files, restore them, and find how much wider than the samples intervals "
    "have to be. In options low..high is drawn anew for each file: --kernel gaussian:1..3. "
    "INPUT: files, folders, patterns.",
)
