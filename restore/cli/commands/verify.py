"""restore verify: samplers against posteriors that are known exactly."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..wording import FAILURE

if TYPE_CHECKING:
    from torch import Tensor

    from ...testing.verify import Row

HEADS = (
    ("sampler", "", 22),
    ("mean_error", "mean err", 8),
    ("observed", "var obs", 7),
    ("unobserved", "var rest", 8),
    ("wasserstein", "SW", 7),
    ("coverage_50", "in 50%", 6),
    ("coverage_90", "in 90%", 6),
    ("calls", "calls", 5),
    ("stated", "stated", 6),
    ("seconds", "s", 6),
)
SIDE, MOST = 8, 200  # of a user's own signals: what they are shrunk to, and how many


@click.command()
@click.argument("samplers", nargs=-1, metavar="[SAMPLER]...")
@click.option("--case", "cases", multiple=True, help="Only this case; may be given again.")
@click.option("--quick", is_flag=True, help="Five small cases, fewer samples and steps.")
@click.option(
    "--on-data",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="In place of all cases: the signals in your files, shrunk, as the prior. To be one of "
    "them, seen through blur and noise, is a posterior that is known.",
)
@click.option("--chains", type=click.IntRange(2), help="Samples of each case.")
@click.option("--steps", type=click.IntRange(1), help="Noise levels.  [default: 100; quick 36]")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("as_table", "--table", is_flag=True, help="Show the figures of every case, too.")
@click.option("as_json", "--json", is_flag=True, help="Print one JSON object a line.")
def verify(
    samplers: tuple[str, ...],
    cases: tuple[str, ...],
    on_data: Path | None,
    as_table: bool,
    as_json: bool,
    **asked: Any,
) -> int:
    """Hold samplers (all, if none is named) to problems whose posterior is known exactly.

    Each gets a line: it holds, is biased as documented, or FAILS (exit status 1). Of several cases
    the farthest figures are said: of the posterior mean, in posterior standard deviations, and of
    the variance, of which 1 is right.

    --table shows for every case, too: the ratio of variances in observed and other directions; the
    sliced Wasserstein distance to exact samples; how many exact samples lie in the samples' 50 and
    90 % intervals; network calls used and stated; seconds. The first row of a case is of exact
    draws, the second ignores y.
    """
    from ...testing.verdicts import FAILS, verdicts
    from ...testing.verify import chosen, least_samples
    from ...testing.verify import verify as rows

    if cases and on_data is not None:
        raise click.UsageError("give --case or --on-data, not both")
    data = None if on_data is None else _signals(on_data)
    seen, case = [], None
    for row in rows(samplers, cases, data=data, **asked):
        seen.append(row)
        if as_json:
            click.echo(json.dumps(row.facts()))
        if row.case != case:
            case = row.case
            click.echo(_heading(case) if as_table and not as_json else f"{case} ...",
                       err=not as_table or as_json)  # fmt: skip
        if as_table and not as_json:
            click.echo(_line(row))
    names = list(dict.fromkeys(row.case for row in seen))
    count = asked["chains"] or least_samples(names, quick=asked["quick"])
    found = verdicts(seen, chosen(samplers), count)
    for one in found:
        click.echo(json.dumps(one.facts()) if as_json else f"{one.sampler:<22}  {one.verdict:<20}  "
                   f"{one.why}")  # fmt: skip
    return FAILURE if any(one.verdict == FAILS for one in found) else 0


def _signals(folder: Path) -> "Tensor":
    """The signals of a folder's files, shrunk to SIDE; (count, channels, SIDE, SIDE)."""
    import torch

    from ...files.training import as_float, read_signals

    signals = [as_float(signal)[None] for signal in read_signals(folder)[:MOST]]
    if any(signal.ndim != 4 for signal in signals):
        raise ValueError(f"{folder} holds no pictures, of rows and columns")
    shrink = torch.nn.functional.adaptive_avg_pool2d
    return torch.cat([shrink(signal, SIDE) for signal in signals])


def _heading(case: str) -> str:
    heads = "  ".join(f"{head:>{width}}" for _, head, width in HEADS[1:])
    return f"{case:<{HEADS[0][2]}}  {heads}"


def _line(row: "Row") -> str:
    name = f"{row.sampler:<{HEADS[0][2]}}"
    if row.reason:
        return f"{name}  {row.reason}"
    return f"{name}  " + "  ".join(
        f"{_number(getattr(row, field)):>{width}}" for field, _, width in HEADS[1:]
    )


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    if value == int(value) and abs(value) >= 1:
        return str(int(value))
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"
