"""What the recipes share: a frame or a cine on the priors' grid as a task."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from restore.files.task import Comparison, Frames, Record, SamplerChoice, Task
from restore.measurement.measurement import Measurement

from ..echoes.echoes import Echoes
from ..files.frames import BMODE

TISSUE = "us-tissue"


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

    def task(
        self,
        baselines: Mapping[str, Callable[[], Tensor]],
        facts: Mapping[str, object],
        kind: str,
    ) -> Task:
        """The middle frame as a task, with all of them where there are several.

        kind: of the record before it was beamformed.
        """
        seen, middle = self.seen, self.seen.count // 2
        parts = {self.part: self.taken} if self.part else {}
        frames = Frames(
            seen.count,
            middle,
            seen.record,
            self.measurement,
            self.without,
            parts,
            self.warm or None,
        )
        return Task(
            self.measurement(middle),
            TISSUE,
            self.sampler,
            lambda signal: self.without(middle, signal),
            comparison=Comparison(
                input_shown=seen.record.with_signal(seen.record.signal[:, middle : middle + 1]),
                baselines=baselines,
                views=None if seen.record.kind == BMODE else seen.view,
            ),
            parts={name: lambda x, make=make: make(middle, x) for name, make in parts.items()},
            frames=frames if seen.count > 1 else None,
            facts={**seen.facts, **facts},
            format=".h5" if kind != seen.record.kind else None,
        )

    def without(self, k: int, signal: Tensor) -> Record:
        return self.seen.without(k, self.removed(k, signal))

    def taken(self, k: int, signal: Tensor) -> Record:
        return self.seen.removed(k, self.removed(k, signal))


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
