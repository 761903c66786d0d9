"""The command line: wording only; what it says is done by restore.files and its neighbours.

Nothing heavier than click is imported before a command runs: `restore --help` is a matter of
milliseconds, whatever is installed.
"""

import click

from .program import Program


@click.group(
    cls=Program,
    context_settings={"help_option_names": ["-h", "--help"]},
    commands_in={
        "run": ("restore.cli.commands.run:run", "Restore files by a recipe."),
        "status": ("restore.cli.commands.status:status", "Tell how a run stands."),
        "slurm": ("restore.cli.commands.slurm:slurm", "Print a script that runs it on Slurm."),
        "simulate": ("restore.cli.commands.simulate:simulate", "Degrade clean files by a recipe."),
        "evaluate": (
            "restore.cli.commands.evaluate:evaluate",
            "Measure answers against references.",
        ),
        "list": (
            "restore.cli.commands.listing:list_",
            "List recipes, priors, samplers, operators, ...",
        ),
        "info": ("restore.cli.commands.listing:info", "Tell all about one of them."),
        "plugins": (
            "restore.cli.commands.listing:plugins",
            "List the plugins, and which are broken.",
        ),
        "priors": ("restore.cli.commands.priors:priors", "Import other people's checkpoints."),
        "train": ("restore.cli.commands.train:train", "Train a prior on files of your own."),
        "calibrate": (
            "restore.cli.commands.calibrate:calibrate",
            "Measure on clean files how wide intervals have to be.",
        ),
        "verify": (
            "restore.cli.commands.verify:verify",
            "Hold samplers to posteriors known exactly.",
        ),
        "doctor": (
            "restore.cli.commands.doctor:doctor",
            "Look whether all is there that a run needs.",
        ),
        "demo": ("restore.cli.commands.demo:demo", "Restore some photographs, to see it work."),
    },
    epilog="Exit status: 0 done, 1 failure, 2 wrong usage, 3 some inputs failed, 4 a plugin or "
    "operator is not available, 5 weights missing or damaged, 130 interrupted, 143 told to end. "
    "RESTORE_RAISE=1 shows the traceback of any error.",
)
@click.version_option(package_name="restore-toolbox", prog_name="restore")
def main() -> None:
    """Restore noisy, blurred, incomplete or indirect measurements, and say how sure the result is.

    Samples are drawn from the posterior p(x | y), with a pretrained denoiser as the prior.
    """


__all__ = ["main"]
