"""What the recipes share: a frame or a cine on the priors' grid as a task."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from restore.files.task import Comparison, Frames, Record, SamplerChoice, Task
from restore.measurement.measurement import Measurement

from ..echoes.echoes import Echoes
from ..echoes.motion import moved
from ..files.frames import BMODE

TISSUE = "us-tissue"
Baselines = Mapping[str, Callable[[Tensor], Tensor]]


@dataclass(frozen=True)
class Posed:
    """A problem of each frame, and how its answer is told from what was measured."""

    seen: Echoes
    measurement: Callable[[int], Measurement]
    removed: Callable[
        [int, Tensor], Tensor
    ]  # a frame's signal -> what brightness loses on the grid
    sampler: SamplerChoice
    warm: float  # noise of the frame before that the next one begins from; 0 for none
    part: str = ""  # the name under which what was removed is written; "" for not at all
    motion: bool = False  # the frame before is moved to where the next one shows it

    def task(
        self, baselines: Baselines, facts: Mapping[str, object], format: str | None = None
    ) -> Task:
        """The middle frame as a task, with all of them where there are several.

        baselines: of a frame on the grid, a signal of the prior. format: of what is written, where
        it is not the input's.
        """
        told = {**self.seen.facts, **facts}
        made = of_frames(self.seen, lambda k: self._frame(k, baselines, told, format), self.warm)
        if made.frames is None or not self.motion:
            return made
        return replace(made, frames=replace(made.frames, carried=self.carried))

    def carried(self, k: int, mean: Tensor) -> Tensor:
        """The mean of frame k - 1 as frame k begins: the tissue moved, what else there is in place.

        Haze comes from the probe and the layers near it, and hardly moves.
        """
        tissue = moved(mean[:1], self.seen.grid(k - 1), self.seen.grid(k))
        return torch.cat([tissue, mean[1:]])

    def _frame(
        self, k: int, baselines: Baselines, facts: Mapping[str, object], format: str | None
    ) -> Task:
        seen, y = self.seen, self.seen.grid(k)
        taken = {self.part: lambda signal: self.taken(k, signal)} if self.part else {}
        return Task(
            self.measurement(k),
            TISSUE,
            self.sampler,
            lambda signal: self.without(k, signal),
            comparison=Comparison(
                input_shown=seen.record.with_signal(seen.record.signal[:, k : k + 1]),
                baselines={name: partial(answer, y) for name, answer in baselines.items()},
                views=None if seen.record.kind == BMODE else seen.view,
            ),
            parts=taken,
            facts=facts,
            format=format,
        )

    def without(self, k: int, signal: Tensor) -> Record:
        return self.seen.without(k, self.removed(k, signal))

    def taken(self, k: int, signal: Tensor) -> Record:
        return self.seen.removed(k, self.removed(k, signal))


def of_frames(seen: Echoes, frame: Callable[[int], Task], warm: float) -> Task:
    """The middle frame as a task, with all of them where there are several.

    frame: number -> its task; warm: noise for the frame before to begin from, 0 for none.
    """
    middle = seen.count // 2
    if seen.count == 1:
        return frame(middle)
    return replace(
        frame(middle), frames=Frames(seen.count, middle, seen.record, frame, warm or None)
    )


def checked_noise(noise: float | None, own: float) -> float:
    """The noise of brightness, a recipe's own where none is given; ValueError unless positive."""
    noise = own if noise is None else noise
    if not noise > 0:
        raise ValueError(f"the noise of brightness must be positive, got {noise}")
    return noise


def checked_warm(warm: float) -> float:
    if not 0 <= warm <= 3:
        raise ValueError(f"the noise of a warm start is in brightness, 0 to 3, got {warm}")
    return warm


def format_of(record: Record, seen: Echoes) -> str | None:
    """The extension of what is written: .h5 where channels were beamformed, .avi of a video.

    None for the input's.
    """
    if record.meta.get("format") == "video":
        return ".avi"
    return ".h5" if record.kind != seen.record.kind else None
