"""What the values of a picture mean: their range, and channels that are one.

Recipes see every picture as grey or colour from 0 to 1; `of_any_values` brings others there and
back.
"""

import inspect
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any

import numpy as np
import torch
from torch import Tensor

from restore.errors import RestoreWarning
from restore.files.task import Record, Task

from .photographs import name_of

OPTION = "range: LOW,HIGH of the values on file, such as 0,4095, or auto: as far as they reach"
CLIPPED = 0.01  # share of values at an end of the range that is told
DEPTHS = (10, 12, 14)  # bits that cameras put into 16


@dataclass(frozen=True)
class Values:
    """How a picture's values, of one file, become those that recipes see."""

    low: float = 0.0  # in units of the file's full range
    high: float = 1.0
    copies: int = 1  # channels on file that are one and the same

    def seen(self, record: Record) -> Record:
        """The record in 0 to 1, of one channel where all are equal."""
        return record.with_signal((record.signal[:: self.copies] - self.low) / self._width)

    def on_file(self, record: Record) -> Record:
        """The way back; a picture that was made colourful keeps its colours."""
        signal = record.signal * self._width + self.low
        return record.with_signal(signal.expand(max(self.copies, len(signal)), -1, -1))

    @property
    def _width(self) -> float:
        return self.high - self.low


def of_any_values(solve: Callable[..., Task]) -> Callable[..., Task]:
    """A recipe's solve(record, noise, **options) for pictures of any range, with the option range.

    The noise is of the range that is given. ValueError for values outside the range, and for noise
    above it.
    """

    @wraps(solve)
    def solved(
        record: Record, noise: float | Tensor | None, *, range: str | None = None, **options: Any
    ) -> Task:
        most = noise.max().item() if isinstance(noise, Tensor) else noise
        refuse_absurd(most)
        values = values_of(record, range)
        if isinstance(noise, Tensor):
            noise = noise[:: values.copies]
        if range is None:
            _warn_of_depth(record)
        seen = values.seen(record)
        refuse_outside(seen, most or 0.0)
        _warn_of_clipping(seen, most or 0.0)
        facts = {} if range is None else {"range": f"{values.low:g} to {values.high:g}"}
        return _on_file(solve(seen, noise, **options), values, facts)

    signature = inspect.signature(solve, eval_str=True)
    added = inspect.Parameter(
        "range", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=str | None
    )
    solved.__signature__ = signature.replace(parameters=[*signature.parameters.values(), added])
    solved.__doc__ = f"{inspect.getdoc(solve)}\n\n{OPTION}\n"
    return solved


def _on_file(task: Task, values: Values, facts: Mapping[str, str]) -> Task:
    """The task of a picture as seen, presented as it is on file; so with any prior."""
    suited = task.suited
    return replace(
        task,
        present=lambda signal: values.on_file(task.present(signal)),
        facts={**task.facts, **facts},
        suited=None if suited is None else lambda p: _on_file(suited(p), values, facts),
    )


def estimated_of_any_values(estimate: Callable[[Record], float]) -> Callable[..., float]:
    """A recipe's estimate_noise(record) for pictures of any range, as a share of it."""

    def estimated(record: Record, *, range: str | None = None) -> float:
        return estimate(values_of(record, range).seen(record))

    return estimated


def values_of(record: Record, text: str | None) -> Values:
    """The meaning of a picture's values; text: LOW,HIGH on file, "auto", or None for 0 to 1."""
    signal = record.signal
    copies = len(signal) if len(signal) == 3 and (signal == signal[:1]).all() else 1
    if text is None:
        return Values(copies=copies)
    if text.strip().lower() == "auto":
        low, high = min(signal.min().item(), 0.0), signal.max().item()
        if low == high:
            raise ValueError(f"{name_of(record)} is of one value: it has no range")
        return Values(low, high, copies)
    steps = _steps(record)
    try:
        low, high = (float(part) / steps for part in text.split(","))
    except ValueError:
        raise ValueError(f"a range is LOW,HIGH, such as 0,4095, or auto: {text}") from None
    if not (np.isfinite([low, high]).all() and low < high):
        raise ValueError(f"a range rises from LOW to HIGH: {text}")
    return Values(low, high, copies)


def refuse_absurd(noise: float | None) -> None:
    """ValueError for a noise that is larger than the full range, and so given in other units."""
    if noise is not None and noise > 1:
        raise ValueError(
            f"the noise {noise:g} is above the full range, of which it is a share; did you mean "
            f"{noise:g}/255?"
        )


def refuse_outside(record: Record, noise: float) -> None:
    """ValueError where more values lie outside 0 to 1 than noise carries there.

    One in a thousand may lie five standard deviations and a twentieth of the range outside.
    """
    room = 0.05 + 5 * noise
    signal = record.signal.flatten()
    low, high = (torch.kthvalue(signal, k).values.item() for k in _thousandth(len(signal)))
    if low < -room or high > 1 + room:
        least, most = signal.min().item(), signal.max().item()
        raise ValueError(
            f"{name_of(record)} holds values from {least:g} to {most:g} of a range of 0 to 1; say "
            "theirs, --range LOW,HIGH, or --range auto"
        )


def _warn_of_clipping(record: Record, noise: float) -> None:
    """Say where noise was cut off at an end of the range; black borders and white paper have none.

    Clipping leaves values near the end, within the noise, about as often as at the end itself.
    """
    if not _steps(record) > 1 or noise < 1.5 / 255:
        return
    for name, end in (("black", 0.0), ("white", 1.0)):
        away = (record.signal - end).abs()
        at_end, near = away == 0, (away > 0) & (away < 2 * noise)
        share = at_end.float().mean().item()
        if share > CLIPPED and near.sum() > 0.2 * at_end.sum():
            warnings.warn(
                f"{name_of(record)}: {share:.1%} of the values are clipped to {name}, their noise "
                "cut off on one side; the answer is biased there. The noise model Clipped, in "
                "Python, takes that into account",
                RestoreWarning,
                stacklevel=3,
            )


def _thousandth(count: int) -> tuple[int, int]:
    few = count // 1000
    return 1 + few, count - few


def _steps(record: Record) -> float:
    dtype = np.dtype(record.meta.get("dtype", "uint8"))
    return float(np.iinfo(dtype).max) if dtype.kind == "u" else 1.0


def _warn_of_depth(record: Record) -> None:
    """Say where 16 bits hold a camera's fewer ones."""
    if record.meta.get("dtype") != "uint16":
        return
    most = round(record.signal.max().item() * 65535)
    for bits in DEPTHS:
        if 2 ** (bits - 1) < most < 2**bits:
            words = f"its values end at {most} of 65535, as {bits} bits do"
            warnings.warn(
                f"{name_of(record)}: {words}; if so, say --range 0,{2**bits - 1}",
                RestoreWarning,
                stacklevel=3,
            )
