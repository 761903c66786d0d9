"""Pictures of signals of every kind, for the report."""

from collections.abc import Mapping, Sequence

from torch import Tensor

from ..problem import Problem
from ..task import Record, Task


def records_of(problem: Problem, shown: Mapping[str, Record]) -> dict[str, Record]:
    """All that a report compares, by name: the input, what is shown of the answer, a reference."""
    records = {"input": problem.task.comparison.input_shown or problem.record, **shown}
    if problem.reference is not None:
        records["reference"] = problem.reference
    return records


def pictures(
    problem: Problem, records: Mapping[str, Record], samples: Sequence[Record], residual: Tensor
) -> dict[str, Tensor]:
    """Pictures (channels, height, width) by name; none where a signal cannot be seen.

    records: "input", "restored", "std", "sample", ... -> what would be written of it. residual:
    y - A(mean). A record of several views gives "restored", "restored (lung)" and so on.
    """
    task = problem.task
    found: dict[str, Tensor] = {}
    for name, record in records.items():
        for view, picture in _views(task, record).items():
            found[f"{name} ({view})" if view else name] = picture
    if task.comparison.further is not None:
        found |= task.comparison.further(records, samples)
    if _seen(flat := plane(residual)):
        found["residual"] = flat
    return {name: picture for name, picture in found.items() if _seen(picture)}


def plane(signal: Tensor) -> Tensor:
    """The middle slice of a signal, by magnitude where complex; (channels, height, width)."""
    while signal.ndim > 4:
        signal = signal[len(signal) // 2]
    if signal.is_complex() and signal.ndim == 4:  # (slice, coil, ...): root of squares over coils
        return signal[len(signal) // 2].abs().square().sum(0, keepdim=True).sqrt()
    signal = signal.abs() if signal.is_complex() else signal
    return signal[:, signal.shape[1] // 2] if signal.ndim == 4 else signal


def _views(task: Task, record: Record) -> Mapping[str, Tensor]:
    if record.kind == "std" or task.comparison.views is None:
        return {"": plane(record.signal)}
    views = task.comparison.views(record)
    first = next(iter(views))
    return {("" if name == first else name): picture for name, picture in views.items()}


def _seen(picture: Tensor) -> bool:
    return picture.ndim == 3 and not picture.is_complex() and min(picture.shape) > 0
