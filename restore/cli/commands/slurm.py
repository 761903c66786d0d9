"""restore slurm: the script that runs a folder as an array of Slurm."""

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any

import click

from ..batch import RunFlags
from ..recipe_flags import WORDS, Recipes
from .run import flags as run_flags

SCRIPT = Template("""\
#!/bin/bash
#SBATCH --job-name=restore-$recipe
#SBATCH --array=1-$tasks
#SBATCH --time=$time
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=restore-%A_%a.log
#SBATCH --signal=B:TERM@$grace
# One task does one part of the inputs. A task that is cut off is queued again and goes on where it
# was; what is done is never done twice. Exit status 3 (some inputs failed) is not to be repeated.
set -u
cd $cwd
$restore run $recipe $inputs -o $out $words \\
    --shard "$${SLURM_ARRAY_TASK_ID}/$tasks" &
child=$$!
trap 'kill -TERM "$$child"' TERM INT
wait "$$child"; code=$$?
while kill -0 "$$child" 2>/dev/null; do wait "$$child"; code=$$?; done  # its state is being saved
if [ "$$code" = 143 ] || [ "$$code" = 137 ] || [ "$$code" = 130 ]; then
    scontrol requeue "$${SLURM_ARRAY_JOB_ID}_$${SLURM_ARRAY_TASK_ID}"
fi
exit "$$code"
""")


def flags() -> list[click.Parameter]:
    return [
        click.Option(
            ["--tasks"], type=click.IntRange(min=1), required=True, metavar="N",
            help="Tasks of the array: parts of the inputs.",
        ),
        click.Option(
            ["--time"], default="04:00:00", show_default=True, metavar="HH:MM:SS",
            help="That a task may take before it is cut off, and queued again.",
        ),
        click.Option(
            ["--grace"], type=click.IntRange(min=1), default=120, show_default=True,
            metavar="SECONDS", help="Before the end of its time that a task saves its state.",
        ),
        *run_flags(),
    ]  # fmt: skip


def execute(
    recipe: str,
    options: Mapping[str, Any],
    flags: RunFlags,
    *,
    tasks: int,
    time: str,
    grace: int,
    **more: Any,
) -> int:
    """Print the script; nothing is run, and nothing read but the recipe's options."""
    words = _without(click.get_current_context().meta[WORDS][1:], "--tasks", "--time", "--grace")
    words += ["--overwrite"] if flags.overwrite else []
    words += ["--jobs", str(flags.jobs)] if flags.jobs > 1 else []
    words += ["--quiet"]
    out = flags.out.absolute()
    click.echo(
        SCRIPT.substitute(
            recipe=recipe, tasks=tasks, time=time, grace=grace,
            cwd=shlex.quote(str(Path.cwd())),
            restore=f"{shlex.quote(sys.executable)} -m restore.cli",
            inputs=shlex.join(flags.inputs), out=shlex.quote(str(out)), words=shlex.join(words),
        ),
        nl=False,
    )  # fmt: skip
    return 0


def _without(words: list[str], *options: str) -> list[str]:
    """The words without these options and their values."""
    kept = list(words)
    for option in options:
        while option in kept:
            place = kept.index(option)
            del kept[place : place + 2]
    return kept


slurm = Recipes(
    "slurm",
    of=("solve",),
    execute=execute,
    common=flags,
    help="Print the script that runs a folder as an array of Slurm: restore slurm RECIPE INPUT... "
    "-o OUT --tasks 40 > job.sh; sbatch job.sh. Its options are those of restore run.",
)
