"""restore verify: samplers against posteriors that are known exactly."""

import json
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
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


@click.command()
@click.argument("samplers", nargs=-1, metavar="[SAMPLER]...")
@click.option("--case", "cases", multiple=True, help="Only this case; may be given again.")
@click.option("--quick", is_flag=True, help="Five small cases, 300 samples each.")
@click.option("--chains", type=click.IntRange(2), help="Samples of each case.")
@click.option("--steps", type=click.IntRange(1), default=100, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("as_json", "--json", is_flag=True, help="Print one JSON object a line.")
def verify(
    samplers: tuple[str, ...],
    cases: tuple[str, ...],
    quick: bool,
    chains: int | None,
    steps: int,
    seed: int,
    as_json: bool,
) -> None:
    """Hold samplers (all, if none is named) to problems whose posterior is known exactly.

    Printed are: the mean error of the posterior mean, in posterior standard deviations; the ratio
    of variances (1 is right) in observed and other directions; the sliced Wasserstein distance to
    exact samples; how many exact samples lie in the samples' 50 and 90 % intervals; network calls
    used and stated; seconds. The first row of a case is of exact draws, the second ignores y.
    """
    from ...testing.verify import verify as rows

    case = None
    for row in rows(samplers, cases, quick=quick, chains=chains, steps=steps, seed=seed):
        if as_json:
            click.echo(json.dumps(row.facts()))
            continue
        if row.case != case:
            case = row.case
            click.echo(("\n" if case else "") + _heading(case))
        click.echo(_line(row))


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
