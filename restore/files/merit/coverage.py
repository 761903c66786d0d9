"""Coverage of intervals, and draws of a reference that was measured and holds noise itself.

Samples of p(x | y) differ from such a reference by its noise, too. Draws of the reference itself,
p(reference | y), do not: it lies among them as often as it should, and their mean has the least
square error that any answer can have.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cache

import torch
from torch import Tensor

from ..task import Record

NoisyReference = Callable[[Tensor, torch.Generator], Record]
DRAWS = 64  # of the reference in all
LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)  # of a reliability curve


def predictive(
    noisy_reference: NoisyReference, signals: Iterable[Tensor], seed: int = 0
) -> list[Record]:
    """Draws of a noisy reference, equally many for each signal; the first ones, one for each."""
    signals = list(signals)
    generator = torch.Generator().manual_seed(seed)
    rounds = -(-DRAWS // len(signals))
    return [noisy_reference(signal, generator) for _ in range(rounds) for signal in signals]


def expected(draws: Sequence[Record]) -> Record:
    """The mean of draws, or of their magnitudes where they are complex."""
    total = sum(magnitude(draw.signal).double() for draw in draws)
    return replace(draws[0], signal=(total / len(draws)).float())


def sample_std(signals: Sequence[Tensor]) -> Tensor:
    """The unbiased standard deviation of signals of one shape, computed in double precision.

    Complex signals count by their magnitudes.
    """
    signals = [magnitude(signal) for signal in signals]
    mean = sum(signal.double() for signal in signals) / len(signals)
    power = sum((signal - mean).square() for signal in signals)
    return (power / (len(signals) - 1)).sqrt().float()


def covered(signals: Sequence[Tensor], truth: Tensor, share: float = 0.9) -> float:
    """The share of the true values that lie inside the central intervals of a few samples.

    The interval is Student's for the next draw, mean +- t sqrt(1 + 1/n) s: for Gaussian samples of
    the true posterior it holds exactly `share` of them, however few they are. Complex signals are
    compared by their magnitudes.
    """
    return covered_at(signals, truth, (share,))[0]


def covered_at(signals: Sequence[Tensor], truth: Tensor, shares: Sequence[float]) -> list[float]:
    """What `covered` gives for each of several shares."""
    away, deviation = distance(signals, truth)
    count = len(signals)
    return [
        (away <= half_width(count, share) * deviation + 1e-12).double().mean().item()
        for share in shares
    ]


def distance(signals: Sequence[Tensor], truth: Tensor) -> tuple[Tensor, Tensor]:
    """|truth - mean| of the samples, in double precision, and their standard deviation."""
    truth = magnitude(truth)
    signals = [magnitude(signal) for signal in signals]
    mean = sum(signal.double() for signal in signals) / len(signals)
    return (truth - mean).abs(), sample_std(signals)


def half_width(count: int, share: float = 0.9) -> float:
    """Half of Student's interval of `count` samples, in their standard deviations."""
    return _student(count - 1, (1 + share) / 2) * (1 + 1 / count) ** 0.5


def magnitude(signal: Tensor) -> Tensor:
    """The absolute values of a complex signal; a real one as it is."""
    return signal.abs() if signal.is_complex() else signal


@cache
def _student(freedom: int, level: float) -> float:
    """A quantile of Student's t, by its regularised incomplete beta integral and bisection."""
    t = torch.linspace(0, 400, 400_001, dtype=torch.float64)
    density = (1 + t.square() / freedom) ** (-(freedom + 1) / 2)
    below = torch.cumulative_trapezoid(density, t)
    tail = density[-1] * t[-1] / freedom  # of a power law, beyond the grid
    reached = 0.5 + 0.5 * below / (below[-1] + tail)
    return t[1 + int(torch.searchsorted(reached, level))].item()
