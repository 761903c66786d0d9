"""The parts of a file that are restored one by one: its pieces, the slices of a volume, or both.

The chains of each begin from noise of their own, told by what the part is: the seed of the run, the
contents of the file, the place of the part in it. So samples are the same whoever draws them, in
whatever order, and neighbours do not share their noise.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ...plugins.discovery import catalog
from ...priors.prior import Prior
from ..problem import Problem, Settings, pose, pose_record
from ..task import Pieces, Recipe
from .answering import Answer, Progress, answer, part_of, posed_with_prior


@dataclass(frozen=True)
class Part:
    """A piece or a slice of a file, as a problem of its own."""

    key: str  # "3": a piece, or a slice of the only volume; "3-17": slice 17 of piece 3
    problem: Problem
    settings: Settings

    def answer(self, checkpoint: Path | None, progress: Progress | None = None) -> Answer:
        """Sample its posterior, kept beside the checkpoint of the whole.

        FloatingPointError, with the number of the part, where its chains leave the real numbers.
        """
        kept = part_of(checkpoint, f"part-{self.key}")
        try:
            return answer(self.problem, self.settings, kept, progress)
        except FloatingPointError as error:
            raise FloatingPointError(f"slice or piece {self.key}, from 0: {error}") from error


def own_seed(settings: Settings, key: str) -> Settings:
    """The settings with the seed of one part, of 63 bits."""
    contents = settings.made_of.get("input_sha256", "")
    words = f"{settings.sampling.seed} {contents} {key}"
    seed = int.from_bytes(hashlib.sha256(words.encode()).digest()[:8]) >> 1
    return replace(settings, sampling=replace(settings.sampling, seed=seed))


def pieces_of(source: Path, settings: Settings) -> Pieces | None:
    """The pieces of a file that its recipe takes so; None of one that is taken as a whole."""
    recipe: Recipe = catalog().load("recipes", settings.recipe)
    return None if recipe.pieces is None else recipe.pieces(source, settings.sampling.chains or 1)


def may_have_parts(source: Path, settings: Settings) -> bool:
    """Whether a file may hold several parts, as far as is known before it is read.

    False for one that cannot be: what is wrong with it is said by whoever restores it.
    """
    recipe: Recipe = catalog().load("recipes", settings.recipe)
    try:
        return recipe.slices or pieces_of(source, settings) is not None
    except (OSError, ValueError):
        return False


def stands_alone(problem: Problem) -> bool:
    """Whether the problem has frames or slices of which none leans on another."""
    frames = problem.task.frames
    return frames is not None and (frames.volume or frames.sigma_start is None)


def is_volume(problem: Problem) -> bool:
    """Whether a problem is a volume whose slices are restored one by one."""
    return problem.task.frames is not None and problem.task.frames.volume


def frame_of(problem: Problem, k: int) -> Problem:
    """The problem of one frame or slice, with its own part of the reference."""
    task, whole = problem.task.frames.task(k), problem.reference
    truth = None if whole is None else whole.with_signal(whole.signal[:, k : k + 1])
    if whole is not None and whole is problem.task.comparison.reference:
        truth = task.comparison.reference
    return replace(problem, task=task, reference=truth)


def of_frames(problem: Problem, settings: Settings) -> Settings:
    """The settings of all frames: chains and steps are those of the whole."""
    sampling = settings.sampling.on(problem.task.sampler)
    if not is_volume(problem):
        # each frame would be sampled again: what it costs is the speed of a cine
        sampling = replace(sampling, held_out=False)
    return replace(settings, sampling=sampling)


def slices_of(problem: Problem, settings: Settings, piece: str = "") -> Iterator[Part]:
    """The slices of a volume, or the frames of a cine that stand alone.

    piece: what the keys begin with, of a volume among others.
    """
    for k in range(problem.task.frames.count):
        yield slice_of(problem, frame_of(problem, k), settings, f"{piece}{k}")


def slice_of(problem: Problem, posed: Problem, settings: Settings, key: str) -> Part:
    """A slice, or a frame, of a problem; frames share the noise of the run's seed."""
    asked = of_frames(problem, settings)
    return Part(key, posed, own_seed(asked, key) if is_volume(problem) else asked)


def piece_of(problem: Problem, settings: Settings, number: int) -> Iterator[Part]:
    """A piece as a part, or the slices of one that is a volume."""
    if is_volume(problem):
        yield from slices_of(problem, settings, f"{number}-")
    else:
        yield Part(str(number), problem, own_seed(settings, str(number)))


def parts_of(source: Path, settings: Settings, load_prior: Callable[..., Prior]) -> Iterator[Part]:
    """All parts of a file; none of one that is restored as a whole, or whose frames lean on others.

    settings: with the device decided, and `made_of` known.
    """
    recipe: Recipe = catalog().load("recipes", settings.recipe)
    pieces = pieces_of(source, settings)
    if pieces is not None:
        for number, record in enumerate(pieces):
            problem = posed_with_prior(pose_record(source, record, settings, load_prior))
            yield from piece_of(problem, settings, number)
    elif recipe.slices:
        problem = posed_with_prior(pose(source, settings, load_prior))
        if stands_alone(problem):
            yield from slices_of(problem, settings)
