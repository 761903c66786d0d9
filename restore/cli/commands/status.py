"""restore status: how a run stands, whoever works on it."""

from pathlib import Path

import click

from ..program import say
from ..progress import duration

SHOWN = 5  # inputs whose parts are told


@click.command()
@click.argument("out", metavar="OUT", type=click.Path(path_type=Path))
@click.option("as_json", "--json", is_flag=True, help="Print one JSON object.")
@click.option(
    "failed", "--failed", is_flag=True, help="Print the commands that try again what failed."
)
@click.option(
    "sheet", "--sheet", is_flag=True,
    help="Write index.html and results.csv, as a run over many inputs does at its end.",
)  # fmt: skip
def status(out: Path, as_json: bool, failed: bool, sheet: bool) -> int:
    """Tell how the run in OUT stands: its ledgers, of all workers and shards, merged.

    Exit status: 0 all is done, 1 some inputs are left, 3 some failed and none are left.
    """
    from ...files.runs.status import commands_of_failed, status_of

    if sheet:
        _write_sheet(out)
    if failed:
        for command in commands_of_failed(out):
            click.echo(command)
        return 0
    found = status_of(out)
    if as_json:
        from ...files.report.facts import as_json as text

        click.echo(text(found.as_facts()))
    else:
        click.echo(_sentence(found))
        if found.damaged_lines:
            say(f"{found.damaged_lines} damaged lines of the ledger were passed over")
    if found.left:
        return 1
    return 3 if found.failed + found.quarantined else 0


def _sentence(found) -> str:
    words = [
        f"{found.out}: {found.recipe}, {found.inputs} inputs: {found.done} done",
        f"{found.failed} failed",
        f"{found.running} running",
        f"{found.left - found.running} left",
    ]
    if found.quarantined:
        words.insert(2, f"{found.quarantined} quarantined")
    if found.seconds_a_file is not None:
        words.append(f"{duration(found.seconds_a_file)} a file")
    if found.left and found.seconds_left is not None:
        words.append(f"{duration(found.seconds_left)} left")
    words += [f"{count} parts of {name} done" for name, count in list(found.parts.items())[:SHOWN]]
    return ", ".join(words)


def _write_sheet(out: Path) -> None:
    from ...files.report.index import write_contact_sheet
    from ...files.runs.status import merged_of
    from ...files.runs.table import write_table

    facts, merged = merged_of(out)
    write_table(out / "results.csv", merged)
    if facts["command"][0] == "run":
        write_contact_sheet(out, merged, facts["recipe"])
