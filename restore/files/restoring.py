"""Files in, files out: read -> recipe -> sample -> present -> write, one input at a time."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..atomic import atomic_folder
from ..errors import RestoreWarning
from ..plugins.discovery import catalog
from ..priors.prior import Prior
from ..sampling import by_name
from ..sampling.devices import usable
from ..sampling.posterior import Posterior
from .answers.answering import Answer, Progress, answer, forget, part_of, posed_with_prior
from .answers.sequence import restore_frames
from .naming import located
from .problem import Problem, Settings, pose, pose_record
from .report import display, png
from .report.facts import account, derivation, mean_merit, merit, write_json
from .report.page import write_report
from .report.pictures import pictures, records_of
from .runs.identity import origin, refuse_changed
from .runs.outputs import REPORT, refuse_inputs
from .task import Pieces, Recipe, Record, Sound


def restore_file(
    source: Path,
    target: Path,
    settings: Settings,
    *,
    load_prior: Callable[..., Prior] = by_name.load_prior,
    checkpoint: Path | None = None,
    say: Callable[[Problem], None] | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Restore one file into the folder `target`, whole or not at all; gives its account.

    InputChanged where the file is another one at the end.

    load_prior: a name or folder, and conditions -> Prior; one that caches serves many files.
    checkpoint: where an interrupted run is saved and taken up; what else has to be kept lies
    beside it, under longer names. say: told of the problem before the long part.
    """
    refuse_inputs(target, [source])
    settings = settings.on(usable(settings.sampling.device))
    settings = replace(settings, made_of=origin(source, settings))
    with located(source):
        facts = _restored(source, target, settings, load_prior, checkpoint, say, progress)
    forget(checkpoint)
    return facts


def _restored(
    source: Path,
    target: Path,
    settings: Settings,
    load_prior: Callable[..., Prior],
    checkpoint: Path | None,
    say: Callable[[Problem], None] | None,
    progress: Progress | None,
) -> dict[str, Any]:
    recipe: Recipe = catalog().load("recipes", settings.recipe)
    chains = settings.sampling.chains or 1
    pieces = None if recipe.pieces is None else recipe.pieces(source, chains)
    if pieces is not None:
        return _restore_pieces(
            pieces, source, target, settings, load_prior, checkpoint, say, progress
        )
    problem = pose(source, settings, load_prior)
    if say is not None:
        say(problem)
    if problem.task.frames is not None:
        return _restore_sequence(problem, target, settings, checkpoint, progress)
    found = answer(problem, settings, checkpoint, progress)
    facts = _account(found, settings, target)
    _warn(source, facts["doubts"])
    with atomic_folder(target) as folder:
        _write_records(folder, found, settings, facts)
        _write_arrays(folder, found.posterior, settings)
        write_json(folder / REPORT, {**facts, "trace": found.trace.rows})
        _write_page(folder, found, facts)
    return facts


def _restore_sequence(
    problem: Problem,
    target: Path,
    settings: Settings,
    checkpoint: Path | None,
    progress: Progress | None,
) -> dict[str, Any]:
    """Restore all frames of a sequence; its account and its page are of the one that is shown.

    Figures of merit are the means over the frames.
    """
    problem, merits = posed_with_prior(problem), []
    # each frame would be sampled again: what it costs is the speed of a cine
    alone = replace(settings, sampling=replace(settings.sampling, held_out=False))

    def of_frame(frame: Problem, number: int) -> Answer:
        found = answer(frame, alone, part_of(checkpoint, f"frame-{number}"), progress)
        merits.append(merit(found))
        return found

    with atomic_folder(target) as folder:
        done = restore_frames(problem, of_frame, folder, samples=settings.outputs.samples)
        found = done.answer
        facts = {**_account(found, settings, target), **mean_merit(merits)}
        _warn(problem.source, facts["doubts"])
        write, made = catalog().load("writers", problem.writer.name), derivation(facts)
        for name, record in done.records.items():
            if _plain(name) or problem.writer.facts.get("std"):
                record = replace(record, meta={**record.meta, "derivation": made})
                write(record, folder / f"{name}{problem.format}")
        write_json(folder / REPORT, {**facts, "trace": found.trace.rows})
        _write_page(folder, replace(found, parts={**found.parts, "cine": done.strip}), facts)
    return facts


def _plain(name: str) -> bool:
    """Whether every writer can hold it: a deviation and samples need one of floats."""
    return name != "std" and not name.startswith("sample-")


def _restore_pieces(
    pieces: Pieces,
    source: Path,
    target: Path,
    settings: Settings,
    load_prior: Callable[..., Prior],
    checkpoint: Path | None,
    say: Callable[[Problem], None] | None,
    progress: Progress | None,
) -> dict[str, Any]:
    """Restore a long file piece by piece; its page shows the first.

    ValueError where a reference is given: it would have to be held as a whole.
    """
    if settings.reference is not None:
        raise ValueError(f"{source} is restored in pieces; compare it with a reference afterwards")
    accounts: list[dict[str, Any]] = []
    with atomic_folder(target) as folder, pieces.joined(folder) as join:
        for number, record in enumerate(pieces):
            problem = pose_record(source, record, settings, load_prior)
            _refuse_format(pieces, problem)
            if say is not None and not accounts:
                say(problem)
            found = answer(problem, settings, part_of(checkpoint, f"piece-{number}"), progress)
            accounts.append(_account(found, settings, target))
            if len(accounts) == 1:
                _warn(source, accounts[0]["doubts"])
            for name, part in _named(found, settings, accounts[0]).items():
                join(f"{name}{found.problem.format}", part)
            if len(accounts) == 1:
                _write_page(folder, found, accounts[0])
        facts = _summed(accounts)
        write_json(folder / REPORT, facts)
    return facts


def _refuse_format(pieces: Pieces, problem: Problem) -> None:
    """ValueError, before anything is sampled, for a format that cannot hold all pieces."""
    if pieces.formats and problem.format.lower() not in pieces.formats:
        raise ValueError(
            f"{problem.source} holds several, which {problem.format} does not: write it as "
            f"{' or '.join(pieces.formats)} (--format {pieces.formats[0]})"
        )


def _summed(accounts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The account of a file from those of its pieces: the first, with what adds up."""
    first = dict(accounts[0])
    for key in ("seconds", "calls"):
        first[key] = round(sum(account[key] for account in accounts), 3)
    misfits = [account["chi_square"] for account in accounts]
    if None not in misfits:
        first["chi_square"] = sum(misfits) / len(misfits)
    return {**first, "facts": {**first["facts"], "pieces": len(accounts)}}


def _account(found: Answer, settings: Settings, target: Path) -> dict[str, Any]:
    refuse_changed(found.problem.source, settings)
    return account(found, settings, target / f"restored{found.problem.format}")


def _warn(source: Path, doubts: Sequence[str]) -> None:
    for doubt in doubts:
        warnings.warn(f"{source}: {doubt}", RestoreWarning, stacklevel=4)


def _write_arrays(folder: Path, posterior: Posterior, settings: Settings) -> None:
    """mean.npy; std.npy and std.png where there are chains to differ; samples.npy on request."""
    np.save(folder / "mean.npy", posterior.mean.numpy())
    if posterior.chains > 1:
        std = posterior.std
        np.save(folder / "std.npy", std.numpy())
        if std.ndim == 3:
            (folder / "std.png").write_bytes(png.encode(display.heat(std)[0]))
    if settings.outputs.samples:
        np.save(folder / "samples.npy", posterior.samples.numpy())


def _named(found: Answer, settings: Settings, facts: Mapping[str, Any]) -> dict[str, Record]:
    """The records to write, by name: the mean, a baseline, and std and samples if the format can.

    Each is told how it was made.
    """
    named = {"restored": found.shown["mean"], **found.parts}
    if "baseline" in found.shown:
        named["baseline"] = found.shown["baseline"]
    if found.problem.writer.facts.get("std"):
        if found.std is not None:
            named["std"] = found.std
        if settings.outputs.samples:
            named |= {f"sample-{i + 1}": record for i, record in enumerate(found.samples)}
    made = derivation(facts)
    return {n: replace(r, meta={**r.meta, "derivation": made}) for n, r in named.items()}


def _write_records(
    folder: Path, found: Answer, settings: Settings, facts: Mapping[str, Any]
) -> None:
    write = catalog().load("writers", found.problem.writer.name)
    for name, record in _named(found, settings, facts).items():
        write(record, folder / f"{name}{found.problem.format}")


def _write_page(folder: Path, found: Answer, facts: Mapping[str, Any]) -> None:
    """report.html, for signals that can be seen."""
    problem, std = found.problem, {} if found.std is None else {"std": found.std}
    shown = {**found.shown, **found.parts, **std}
    names = {"mean": "restored"}
    records = records_of(problem, {names.get(name, name): r for name, r in shown.items()})
    seen = pictures(problem, records, found.samples, found.residual[0])
    if "input" not in seen or "restored" not in seen:
        return
    write_report(
        folder / "report.html",
        title=f"{problem.source.name}: {facts['recipe']}",
        pictures=seen,
        facts=facts,
        trace=found.trace.rows,
        command=facts["provenance"]["command"],
        metrics=facts["metrics"] if problem.reference is not None else None,
        sounds=_sounds(problem, records),
    )


def _sounds(problem: Problem, records: Mapping[str, Record]) -> dict[str, Sound]:
    """What can be listened to, by name; none where the recipe's signals are no sounds."""
    sound = problem.task.comparison.sound
    if sound is None:
        return {}
    return {name: sound(record) for name, record in records.items() if record.kind != "std"}
