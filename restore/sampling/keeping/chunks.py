"""Chains in chunks that share their network calls; halved where memory does not hold them."""

from typing import NamedTuple

import torch


class Chunk(NamedTuple):
    """Some chains of some observations: those from `first` to `last`, `start` to `stop` of each."""

    first: int
    last: int
    start: int
    stop: int

    @property
    def observations(self) -> slice:
        return slice(self.first, self.last)

    @property
    def chains(self) -> slice:
        return slice(self.start, self.stop)

    @property
    def rows(self) -> int:
        """How many signals one network call takes for the chunk."""
        return (self.last - self.first) * (self.stop - self.start)

    @property
    def halves(self) -> "tuple[Chunk, ...]":
        """The chunk as two, between observations where it has several; itself if it is one row."""
        if self.last - self.first > 1:
            middle = (self.first + self.last + 1) // 2
            return self._replace(last=middle), self._replace(first=middle)
        if self.stop - self.start > 1:
            middle = (self.start + self.stop + 1) // 2
            return self._replace(stop=middle), self._replace(start=middle)
        return (self,)


def chunks(observations: int, chains: int, batch: int) -> list[Chunk]:
    """All chains in chunks of at most `batch` rows: whole observations where they fit."""
    together, size = max(1, batch // chains), min(chains, batch)
    return [
        Chunk(first, min(first + together, observations), start, min(start + size, chains))
        for first in range(0, observations, together)
        for start in range(0, chains, size)
    ]


def out_of_memory(error: RuntimeError) -> bool:
    """Whether an error of torch says that there was not enough memory, of a GPU or of the host."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)
