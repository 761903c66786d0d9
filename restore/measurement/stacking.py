"""Several operators at once: looks at one signal, or one for each observation of a batch."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from .operator import LinearOperator, Operator


class Stacked(LinearOperator):
    """Several looks at one signal: (A x, B x, ...), flattened and joined end to end."""

    def __init__(self, operators: Sequence[LinearOperator]):
        shapes = {operator.in_shape for operator in operators}
        if len(shapes) != 1:
            raise ValueError(f"stacked operators must share their input, got {sorted(shapes)}")
        self.operators = tuple(operators)
        self.sizes = [math.prod(operator.out_shape) for operator in operators]
        super().__init__(shapes.pop(), (sum(self.sizes),))

    def _forward(self, x: Tensor) -> Tensor:
        return torch.cat([operator(x).flatten(1) for operator in self.operators], 1)

    def _adjoint(self, y: Tensor) -> Tensor:
        parts = zip(self.operators, y.split(self.sizes, 1), strict=True)
        return sum(op.adjoint(part.reshape(-1, *op.out_shape)) for op, part in parts)

    def normal(self, x: Tensor) -> Tensor:
        return sum(operator.normal(x) for operator in self.operators)

    def select(self, start: int, stop: int) -> LinearOperator:
        return Stacked([operator.select(start, stop) for operator in self.operators])


class PerObservation(Operator):
    """A different operator for each observation; the batch holds the observations in turn."""

    def __init__(self, operators: Sequence[Operator]):
        shapes = {(operator.in_shape, operator.out_shape) for operator in operators}
        if len(shapes) != 1:
            raise ValueError("observations stacked in one call must have operators of one shape")
        super().__init__(*shapes.pop())
        self.operators = tuple(operators)

    def _forward(self, x: Tensor) -> Tensor:
        return self._each(x, lambda operator, part: operator(part))

    def vjp(self, x: Tensor, v: Tensor) -> Tensor:
        size = len(x) // len(self.operators)
        parts = zip(self.operators, x.split(size), v.split(size), strict=True)
        return torch.cat([operator.vjp(x, v) for operator, x, v in parts])

    def select(self, start: int, stop: int) -> Operator:
        return one_for_each(self.operators[start:stop])

    def _each(self, x: Tensor, apply) -> Tensor:
        if len(x) % len(self.operators):
            raise ValueError(f"{len(x)} chains cannot be shared out among {len(self.operators)}")
        parts = zip(self.operators, x.split(len(x) // len(self.operators)), strict=True)
        return torch.cat([apply(operator, part) for operator, part in parts])


class LinearPerObservation(PerObservation, LinearOperator):
    """The same for linear operators."""

    def _adjoint(self, y: Tensor) -> Tensor:
        return self._each(y, lambda operator, part: operator.adjoint(part))

    def vjp(self, x: Tensor, v: Tensor) -> Tensor:
        return self.adjoint(v)

    def normal(self, x: Tensor) -> Tensor:
        return self._each(x, lambda operator, part: operator.normal(part))

    def norm(self, steps: int = 100) -> float:
        return max(operator.norm(steps) for operator in self.operators)

    def tikhonov(self, y: Tensor, shift: float | Tensor) -> Tensor:
        size = len(y) // len(self.operators)
        shift = torch.as_tensor(shift, dtype=torch.float64).reshape(-1).expand(len(y))
        parts = zip(self.operators, y.split(size), shift.split(size), strict=True)
        return torch.cat([operator.tikhonov(y, s) for operator, y, s in parts])

    def solve_normal(self, b: Tensor, shift: float | Tensor, start: Tensor | None = None) -> Tensor:
        size = len(b) // len(self.operators)
        shift = torch.as_tensor(shift, dtype=torch.float64).reshape(-1).expand(len(b))
        starts = [None] * len(self.operators) if start is None else start.split(size)
        parts = zip(self.operators, b.split(size), shift.split(size), starts, strict=True)
        return torch.cat([operator.solve_normal(b, s, x) for operator, b, s, x in parts])


def one_for_each(operators: Sequence[Operator]) -> Operator:
    """The operator of several observations at once: shared where it is one and the same."""
    first = operators[0]
    if all(operator is first for operator in operators):
        return first
    if all(isinstance(operator, LinearOperator) for operator in operators):
        return LinearPerObservation(operators)
    return PerObservation(operators)
