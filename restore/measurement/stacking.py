"""Several operators at once: looks at one signal, or one for each observation of a batch."""

import math
from collections.abc import Callable, Sequence

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

    def _normal(self, x: Tensor) -> Tensor:
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
        return self._each(lambda operator, part: operator(part), x)

    def vjp(self, x: Tensor, v: Tensor) -> Tensor:
        return self._each(lambda operator, x, v: operator.vjp(x, v), x, v)

    def select(self, start: int, stop: int) -> Operator:
        return one_for_each(self.operators[start:stop])

    def _each(
        self, apply: Callable[..., Tensor], x: Tensor, *more: Tensor | float | None
    ) -> Tensor:
        """apply(operator, its rows of x, its rows of each of more), the results joined.

        What has no row for each of x (a number, None, a single row) goes to every operator whole.
        """
        size, rest = divmod(len(x), len(self.operators))
        if rest:
            raise ValueError(f"{len(x)} chains cannot be shared out among {len(self.operators)}")
        several = [isinstance(value, Tensor) and len(value) == len(x) for value in more]
        shares = [
            value.split(size) if many else [value] * len(self.operators)
            for value, many in zip((x, *more), (True, *several), strict=True)
        ]
        return torch.cat([apply(*parts) for parts in zip(self.operators, *shares, strict=True)])


class LinearPerObservation(PerObservation, LinearOperator):
    """A different linear operator for each observation; the batch holds them in turn."""

    def _adjoint(self, y: Tensor) -> Tensor:
        return self._each(lambda operator, part: operator.adjoint(part), y)

    def vjp(self, x: Tensor, v: Tensor) -> Tensor:
        return self.adjoint(v)

    def _normal(self, x: Tensor) -> Tensor:
        return self._each(lambda operator, part: operator.normal(part), x)

    def _tikhonov(self, y: Tensor, shift: float | Tensor) -> Tensor:
        return self._each(lambda operator, y, s: operator.tikhonov(y, s), y, shift)

    def _solve_normal(self, b: Tensor, shift: float | Tensor, start: Tensor | None) -> Tensor:
        return self._each(lambda operator, b, s, x: operator.solve_normal(b, s, x), b, shift, start)

    def norm(self, steps: int = 100) -> float:
        return max(operator.norm(steps) for operator in self.operators)


def one_for_each(operators: Sequence[Operator]) -> Operator:
    """The operator of several observations at once: shared where it is one and the same."""
    first = operators[0]
    if all(operator is first for operator in operators):
        return first
    if all(isinstance(operator, LinearOperator) for operator in operators):
        return LinearPerObservation(operators)
    return PerObservation(operators)
