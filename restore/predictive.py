"""A reference that was measured holds noise: what it would show of a sample, noise and all.

Samples of p(x | y) differ from such a reference by its noise, too. Draws of the reference itself,
p(reference | y), do not: it lies among them as often as it should, and their mean has the least
square error that any answer can have.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from .posterior import magnitude
from .task import Record

Predict = Callable[[Tensor, torch.Generator], Record]
DRAWS = 64  # of the reference in all


def predictive(predict: Predict, signals: Iterable[Tensor], seed: int = 0) -> list[Record]:
    """Draws of the reference, as many of each signal, the first ones of one signal each."""
    signals = list(signals)
    generator = torch.Generator().manual_seed(seed)
    rounds = -(-DRAWS // len(signals))
    return [predict(signal, generator) for _ in range(rounds) for signal in signals]


def expected(draws: Sequence[Record]) -> Record:
    """The mean of draws; of complex ones that of their magnitudes, a magnitude."""
    total = sum(magnitude(draw.signal).double() for draw in draws)
    return replace(draws[0], signal=(total / len(draws)).float())
