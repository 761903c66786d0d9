"""Files in, files out: read -> recipe -> sample -> present -> write, one input at a time."""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..atomic import atomic_folder
from ..errors import RestoreWarning
from ..priors.prior import Prior
from ..sampling import by_name
from ..sampling.devices import usable
from .answers.answering import Answer, Progress, answer, forget, posed_with_prior
from .answers.parts import (
    Part,
    is_volume,
    parts_of,
    piece_of,
    pieces_of,
    slice_of,
    slices_of,
    stands_alone,
)
from .answers.sequence import Restored, restore_frames
from .answers.together import Drawn
from .naming import located
from .problem import Problem, Settings, pose, pose_record
from .report.facts import account, merit, write_json
from .report.summed import Slices, mean_merit, of_pieces
from .report.written import named_records, told, write_arrays, write_page, write_records
from .runs.identity import origin, refuse_changed
from .runs.outputs import REPORT, refuse_inputs
from .runs.sharing import Sharing
from .task import Pieces, Record


def restore_file(
    source: Path,
    target: Path,
    settings: Settings,
    *,
    load_prior: Callable[..., Prior] = by_name.load_prior,
    checkpoint: Path | None = None,
    say: Callable[[Problem], None] | None = None,
    progress: Progress | None = None,
    sharing: Sharing | None = None,
    drawn: Drawn | None = None,
) -> dict[str, Any]:
    """Restore one file into the folder `target`, whole or not at all; gives its account.

    InputChanged where the file is another one at the end.

    load_prior: a name or folder, and conditions -> Prior; one that caches serves many files.
    checkpoint: where an interrupted run is saved and taken up; what else has to be kept lies
    beside it, under longer names. say: told of the problem before the long part.
    sharing: of its pieces or slices with other processes, which have called `do_parts`.
    drawn: what was drawn for it, by `draw_together`.
    """
    refuse_inputs(target, [source])
    settings = _of_file(source, settings)
    with located(source):
        run = _Run(source, target, settings, load_prior, checkpoint, say, progress, sharing, drawn)
        facts = run.restored()
    forget(checkpoint)
    return facts


def do_parts(
    source: Path,
    settings: Settings,
    sharing: Sharing,
    load_prior: Callable[..., Prior] = by_name.load_prior,
) -> Iterator[None]:
    """Sample pieces or slices of a file that another process restores, one at each step."""
    settings = _of_file(source, settings)
    yield from sharing.ahead(parts_of(source, settings, load_prior))


def draw_together(
    files: Sequence[tuple[Path, Path]],
    settings: Settings,
    together: int,
    load_prior: Callable[..., Prior] = by_name.load_prior,
) -> Drawn:
    """Samples of small files of one shape by the same network calls, at most so many in one.

    files: each with its checkpoint. What cannot be posed is left out: `restore_file` says why.
    """
    settings, problems, drawn = settings.on(usable(settings.sampling.device)), [], Drawn()
    for source, checkpoint in files:
        with suppress(Exception):
            if pieces_of(source, settings) is None:
                problem = pose(source, settings, load_prior)
                problems.append((problem, settings, checkpoint))
    drawn.draw(problems, together)
    return drawn


def _of_file(source: Path, settings: Settings) -> Settings:
    settings = settings.on(usable(settings.sampling.device))
    return replace(settings, made_of=origin(source, settings))


@dataclass(frozen=True)
class _Run:
    """One file under way; the fields are the arguments of `restore_file`."""

    source: Path
    target: Path
    settings: Settings
    load_prior: Callable[..., Prior]
    checkpoint: Path | None
    say: Callable[[Problem], None] | None
    progress: Progress | None
    sharing: Sharing | None
    drawn: Drawn | None

    def restored(self) -> dict[str, Any]:
        pieces = pieces_of(self.source, self.settings)
        if pieces is not None:
            return self._in_pieces(pieces)
        problem = pose(self.source, self.settings, self.load_prior)
        self._open(problem)
        if problem.task.frames is not None:
            return self._sequence(posed_with_prior(problem))
        found = answer(problem, self.settings, self.checkpoint, self.progress, self.drawn)
        facts = self._account(found)
        self._warn(facts["doubts"])
        with atomic_folder(self.target) as folder:
            named = named_records(found, self.settings, facts)
            write_records(folder, found.problem, named)
            write_arrays(folder, found.posterior, self.settings)
            write_json(folder / REPORT, {**facts, "trace": found.trace.rows})
            write_page(folder, found, facts)
        return facts

    def _sequence(self, problem: Problem) -> dict[str, Any]:
        """Restore all frames of a sequence, or slices of a volume.

        The account is of the one that is shown, but for what is summed up over all of them.
        """
        with atomic_folder(self.target) as folder:
            done, facts = self._frames(problem, folder)
            found = done.answer
            self._warn(facts["doubts"])
            write_records(folder, problem, told(problem, done.records, facts))
            write_json(folder / REPORT, {**facts, "trace": found.trace.rows})
            if done.strip is not None:
                found = replace(found, parts={**found.parts, "cine": done.strip})
            write_page(folder, found, facts)
        return facts

    def _frames(
        self, problem: Problem, folder: Path | None, piece: str = ""
    ) -> tuple[Restored, dict[str, Any]]:
        """All frames of a problem, and its account; piece: what the keys of slices begin with."""
        slices, merits = Slices(), []
        count, volume, alone = problem.task.frames.count, is_volume(problem), stands_alone(problem)
        ahead = self._ahead(slices_of(problem, self.settings, piece) if alone else ())

        def of_frame(frame: Problem, number: int) -> Answer:
            part = slice_of(problem, frame, self.settings, f"{piece}{number}")
            with self._turn(part.key, ahead) if alone else nullcontext():
                found = part.answer(self.checkpoint, self._among(number, count))
            if volume:
                slices.add(found)
            else:
                merits.append(merit(found))
            return found

        done = restore_frames(problem, of_frame, folder, samples=self.settings.outputs.samples)
        facts = self._account(done.answer)
        if volume:
            return done, slices.account(problem, done, facts)
        return done, {**facts, **mean_merit(merits)}

    def _in_pieces(self, pieces: Pieces) -> dict[str, Any]:
        """Restore a long file piece by piece; its page shows the first.

        ValueError where a reference is given: it would have to be held as a whole.
        """
        if self.settings.reference is not None:
            raise ValueError(
                f"{self.source} is restored in pieces; compare it with a reference afterwards"
            )
        accounts: list[dict[str, Any]] = []
        ahead = self._ahead(parts_of(self.source, self.settings, self.load_prior))
        with atomic_folder(self.target) as folder, pieces.joined(folder) as join:
            for number, record in enumerate(pieces):
                problem = pose_record(self.source, record, self.settings, self.load_prior)
                _refuse_format(pieces, problem)
                problem = posed_with_prior(problem)
                if not accounts:
                    self._open(problem)
                found, records, facts = self._piece(problem, number, ahead)
                accounts.append(facts)
                if len(accounts) == 1:
                    self._warn(facts["doubts"])
                for name, part in told(problem, records, accounts[0]).items():
                    join(f"{name}{problem.format}", part)
                if len(accounts) == 1:
                    write_page(folder, found, facts)
            facts = of_pieces(accounts)
            write_json(folder / REPORT, facts)
        return facts

    def _piece(
        self, problem: Problem, number: int, ahead: Iterator[None]
    ) -> tuple[Answer, Mapping[str, Record], dict[str, Any]]:
        """The answer to a piece that its page shows, the records of the whole, its account."""
        if is_volume(problem):
            done, facts = self._frames(problem, None, f"{number}-")
            return done.answer, done.records, facts
        part = next(piece_of(problem, self.settings, number))
        with self._turn(part.key, ahead):
            found = part.answer(self.checkpoint, self.progress)
        facts = self._account(found)
        return found, named_records(found, self.settings, facts), facts

    def _open(self, problem: Problem) -> None:
        if self.say is not None:
            self.say(problem)

    def _ahead(self, parts: Iterator[Part] | Sequence[Part]) -> Iterator[None]:
        """Parts to do while another process has the one that is due."""
        return iter(()) if self.sharing is None else self.sharing.ahead(parts)

    def _turn(self, key: str, ahead: Iterator[None]) -> AbstractContextManager[None]:
        return nullcontext() if self.sharing is None else self.sharing.turn(key, ahead)

    def _among(self, number: int, count: int) -> Progress | None:
        """The progress of one of so many frames."""
        if self.progress is None:
            return None
        tell = self.progress
        return lambda rows, index, total, facts: tell(
            rows, index, total, {**facts, "part": number, "parts": count}
        )

    def _account(self, found: Answer) -> dict[str, Any]:
        refuse_changed(found.problem.source, self.settings)
        output = self.target / f"restored{found.problem.format}"
        return account(found, self.settings, output)

    def _warn(self, doubts: Sequence[str]) -> None:
        for doubt in doubts:
            warnings.warn(f"{self.source}: {doubt}", RestoreWarning, stacklevel=4)


def _refuse_format(pieces: Pieces, problem: Problem) -> None:
    """ValueError, before anything is sampled, for a format that cannot hold all pieces."""
    if pieces.formats and problem.format.lower() not in pieces.formats:
        raise ValueError(
            f"{problem.source} holds several, which {problem.format} does not: write it as "
            f"{' or '.join(pieces.formats)} (--format {pieces.formats[0]})"
        )
